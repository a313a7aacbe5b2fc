package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/envelope"
)

// requestTimeout bounds the work on one request, waiting for the log and the projections included.
const requestTimeout = 15 * time.Second

// retryAfter is what callers are told to wait, in seconds.
const retryAfter = "1"

// guard sets the headers that every answer has and turns requests away when too many are in flight.
func (a *API) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		defer a.inFlight.Add(-1)
		if a.inFlight.Add(1) > a.maxInFlight && r.URL.Path != "/health" {
			a.handle(&route{path: "/", name: "tooMany", serve: func(*call) (*answer, error) { return nil, errTooMany }})(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func secure(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

// handle runs a route and answers, whatever comes of it.
func (a *API) handle(rt *route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), a.timeout(rt, w))
		defer cancel()
		c := &call{api: a, route: rt, request: r.WithContext(ctx), arrived: a.now()}
		ans, err := c.run(ctx)
		var line rule
		if err != nil {
			line = classify(err)
			ans = c.refusal(w.Header(), line, err, ans)
		}
		c.write(w, ans)
		c.record(ctx, ans, line, err)
	}
}

// run does the route's work. A panic ends this request only.
func (c *call) run(ctx context.Context) (ans *answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.api.metrics.panics.Inc()
			c.api.logger.LogAttrs(ctx, slog.LevelError, "request panicked",
				slog.String("request_id", c.requestID), slog.String("route", c.route.name),
				slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			ans, err = nil, errPanic
		}
	}()
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	if c.route.slow {
		select {
		case c.api.slow <- struct{}{}:
			defer func() { <-c.api.slow }()
		default:
			return nil, errTooMany
		}
	}
	ans, err = c.route.serve(c)
	if err == nil && c.route.question != "" {
		if err = c.noteRead(ctx, ans); err != nil {
			return nil, ans.discard(err)
		}
	}
	if err == nil && c.route.topic != "" && c.request.Method == http.MethodGet && ans.status == http.StatusOK {
		return c.tell(ctx, ans)
	}
	return ans, err
}

// refusal prints an error and sets the headers that belong to it; partial, if not nil, says at which position it was decided.
func (c *call) refusal(h http.Header, r rule, err error, partial *answer) *answer {
	p := problem(r, err)
	p.RequestID, p.At = c.requestID, c.api.now()
	if r.code == codeLoginRequired {
		p.Message = "errMsg_" + c.route.name + "RequiresLogin"
		h.Set("WWW-Authenticate", "Bearer")
	}
	if r.retry {
		h.Set("Retry-After", retryAfter)
	}
	if c.allow != "" {
		h.Set("Allow", c.allow)
	}
	ans := &answer{status: r.status}
	if partial != nil {
		ans.position, ans.etag = partial.position, partial.etag
	}
	if strings.Contains(c.request.Header.Get("Accept"), envelope.TypeProblem) {
		h.Set("Content-Type", envelope.TypeProblem)
		ans.body = envelope.AppendProblem(nil, p)
	} else {
		ans.body = envelope.AppendError(nil, p)
	}
	return ans
}

// Names of our own headers, in canonical form.
const (
	headerPosition    = "Ledger-Position"
	headerMinPosition = "Min-Position"
	headerReplayed    = "Idempotency-Replayed"
	headerTotalCount  = "Total-Count"
)

func (c *call) write(w http.ResponseWriter, ans *answer) {
	h := w.Header()
	h.Set(headerRequestID, c.requestID)
	if ans.position > 0 || ans.status == http.StatusOK && c.route.dataName != "" { // an empty ledger has position 0
		h.Set(headerPosition, strconv.FormatInt(ans.position, 10))
	}
	if ans.etag != "" {
		h.Set("ETag", ans.etag)
	}
	if ans.replayed {
		h.Set(headerReplayed, "true")
	}
	if ans.atLeast {
		h.Set(headerTotalCount, "at-least")
	}
	if ans.file != nil {
		c.send(w, ans.file)
		return
	}
	if ans.status == http.StatusNotModified {
		w.WriteHeader(ans.status)
		return
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", envelope.TypeJSON)
	}
	h.Set("Content-Length", strconv.Itoa(len(ans.body)))
	w.WriteHeader(ans.status)
	_, _ = w.Write(ans.body) // the client is gone: there is nobody to tell
}

// record counts the request and logs it: one line, without what was in it. What went well is only of interest while debugging: at a
// peak its lines would cost a twentieth of the processor time.
func (c *call) record(ctx context.Context, ans *answer, r rule, err error) {
	elapsed := c.api.now().Sub(c.arrived)
	c.api.metrics.observe(c.route, ans.status, elapsed)
	level := levelOf(ans.status)
	if !c.api.logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 9)
	attrs = append(attrs,
		slog.String("method", c.request.Method), slog.String("route", c.route.path), slog.Int("status", ans.status),
		slog.Duration("elapsed", elapsed), slog.String("request_id", c.requestID), slog.String("tenant", c.tenant),
		slog.Int64("position", ans.position))
	if err != nil {
		attrs = append(attrs, slog.String("error_code", r.code))
	}
	if ans.status >= http.StatusInternalServerError {
		attrs = append(attrs, slog.Any("error", err))
	}
	c.api.logger.LogAttrs(ctx, level, "request", attrs...)
}

// levelOf returns the level at which a request with this status is logged.
func levelOf(status int) slog.Level {
	switch {
	case status == http.StatusInternalServerError:
		return slog.LevelError
	case status > http.StatusInternalServerError:
		return slog.LevelWarn
	case status >= http.StatusBadRequest:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// token returns the access token of a request: from the Authorization header, or from the project's own header or cookie.
// It is never taken from the query. Browsers send cookies by themselves, so a page of another site gets nothing done with one.
func (a *API) token(r *http.Request) (string, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", auth.ErrBadToken
		}
		return strings.TrimSpace(token), nil
	}
	if token := r.Header.Get(a.tokenName); token != "" {
		return token, nil
	}
	cookie, err := r.Cookie(a.tokenName)
	if err != nil {
		return "", auth.ErrNoToken
	}
	if a.crossOrigin.Check(r) != nil {
		return "", errCrossOrigin
	}
	return cookie.Value, nil
}
