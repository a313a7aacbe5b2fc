package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/cmd/payledger/internal/httpapi/input"
)

// call is one request on its way through the API.
type call struct {
	api     *API
	route   *route
	request *http.Request
	arrived time.Time
	sso     time.Duration // spent on authentication

	requestID string
	identity  *auth.Identity
	tenant    string
	query     *input.Values
	rawBody   []byte
	key       string // idempotency key, empty for none

	allow string // methods, for 405
}

// answer is what a call came to.
type answer struct {
	status   int
	body     []byte
	etag     string // quoted
	position int64  // Ledger-Position, 0 for none
	replayed bool
	atLeast  bool  // there are more rows than the total says
	file     *file // instead of a body
}

// commonParams are the query parameters that every route takes and that change no answer.
var commonParams = [...]string{"requestId", "getJoins", "excludeCQRS", "excludeCqrs", "caching", "cacheTTL"}

// begin reads what comes before the route's own business: who calls, whether that is permitted, and the query.
func (c *call) begin(ctx context.Context) error {
	query, queryErr := input.ParseQuery(c.request.URL.RawQuery)
	if queryErr == nil {
		c.query = query
		c.query.In(c.api.zone)
	}
	requestErr := c.readRequestID()
	if err := c.authenticate(ctx); err != nil {
		return err
	}
	if queryErr != nil {
		return queryErr
	}
	if requestErr != nil {
		return requestErr
	}
	c.query.Ignore(commonParams[:]...)
	if c.route.needs == nil {
		return nil
	}
	if c.route.writes() {
		if err := c.readKey(); err != nil {
			return err
		}
	}
	if err := c.query.Take(c.route.query...); err != nil {
		return err
	}
	return c.checkPath()
}

// checkPath checks what stands in the path's braces.
func (c *call) checkPath() error {
	for _, name := range c.route.placeholders() {
		if slices.Contains(c.route.texts, name) {
			if text := c.request.PathValue(name); len(text) > input.MaxString || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
				return &input.Error{Param: name, Rule: input.ValidString, Detail: "at most 255 bytes of UTF-8 without U+0000"}
			}
			continue
		}
		if _, ok := input.ParseID(c.request.PathValue(name)); !ok {
			return &input.Error{Param: name, Rule: input.ValidID, Detail: "a UUID or 24 hexadecimal digits"}
		}
	}
	return nil
}

func (c *call) authenticate(ctx context.Context) error {
	if c.route.needs == nil {
		return nil
	}
	started := c.api.now()
	token, err := c.api.token(c.request)
	if err != nil {
		return err
	}
	id, err := c.api.verifier.Verify(ctx, token)
	c.sso = c.api.now().Sub(started)
	if err != nil {
		return err
	}
	c.identity = id
	if c.tenant, err = id.Tenant(c.request.Header.Get(headerTenant)); err != nil {
		return err
	}
	if !id.MayAny(c.route.needs...) {
		return auth.ErrForbidden
	}
	return nil
}

// require asks for a permission that depends on what the request says.
func (c *call) require(p auth.Permission) error {
	if !c.identity.May(p) {
		return auth.ErrForbidden
	}
	return nil
}

// owner returns the person to whose rows the caller is confined, empty for callers who see all rows of the tenant.
func (c *call) owner() string {
	if c.identity == nil || c.identity.May(auth.ReadAll) && !c.route.own {
		return ""
	}
	return c.subject()
}

// subject returns the caller's id. Ids are kept in lower case, so it is compared in lower case too.
func (c *call) subject() string {
	if c.identity == nil {
		return ""
	}
	if id, ok := input.ParseID(c.identity.Subject); ok {
		return id
	}
	return c.identity.Subject
}

const headerRequestID = "X-Request-Id"

// readRequestID takes the caller's id of the request or makes one.
func (c *call) readRequestID() error {
	asked := c.request.Header.Get(headerRequestID)
	if asked == "" && c.query != nil {
		asked = c.query.String("requestId")
	}
	if asked != "" && isToken(asked, 64) {
		c.requestID = asked
		return nil
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see its documentation
	c.requestID = hex.EncodeToString(b[:])
	if asked != "" {
		return &input.Error{Param: "requestId", Rule: input.ValidString, Detail: "at most 64 letters, digits and . _ : -"}
	}
	return nil
}

func isToken(s string, limit int) bool {
	for i := range len(s) {
		c := s[i]
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte("._:-", c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= limit
}

// id returns an id from the path; it was checked when the request came.
func (c *call) id(name string) string {
	id, _ := input.ParseID(c.request.PathValue(name))
	return id
}

// body reads the JSON object of a command and checks all that the route's fields say of it. A command without fields needs none.
func (c *call) body() (*input.Values, error) {
	if c.route.body == nil && c.request.ContentLength == 0 {
		return &input.Values{}, nil
	}
	if err := c.readBody(); err != nil {
		return nil, err
	}
	in, err := input.ParseBody(c.rawBody)
	if err != nil {
		return nil, err
	}
	in.In(c.api.zone)
	if err := in.Take(c.route.takes...); err != nil {
		return nil, err
	}
	return in, c.checkActor(in)
}

// readBody reads a body that must be JSON, whatever stands in it.
func (c *call) readBody() error {
	media, params, err := mime.ParseMediaType(c.request.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return errMediaType
	}
	if c.request.Header.Get("Content-Encoding") != "" {
		return errMediaType
	}
	c.rawBody, err = readAll(c.request)
	return err
}

// The names under which a body may say who acts.
const (
	actorUserID     = "actorUserId"
	handledByUserID = "handledByUserId"
)

// actorFields may stand in every body.
func actorFields() []input.Field {
	const doc = "The token's subject if given; another is 422."
	return []input.Field{input.ID(actorUserID).Says(doc), input.ID(handledByUserID).Says(doc)}
}

// checkActor refuses a body that says somebody else acts than the caller. Events take the actor from the token.
func (c *call) checkActor(in *input.Values) error {
	for _, name := range [...]string{actorUserID, handledByUserID} {
		if id := in.ID(name); id != "" && id != c.subject() {
			return errOtherActor
		}
	}
	return nil
}

// maxBody is the most that a body may hold, in bytes.
const maxBody = 1 << 20

func readAll(r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, errTooLarge
	}
	if r.ContentLength >= 0 {
		body := make([]byte, r.ContentLength)
		_, err := io.ReadFull(r.Body, body)
		return body, bodyError(err)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if len(body) > maxBody {
		return nil, errTooLarge
	}
	return body, bodyError(err)
}

func bodyError(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(errBody, err)
}

// head starts the envelope of a success. dataName is the route's.
func (c *call) head(status int) *envelope.Head {
	return &envelope.Head{
		Status: status, Elapsed: c.api.now().Sub(c.arrived), SSO: c.sso, CacheKey: c.cacheKey(), UserID: c.subject(),
		SessionID: c.identity.SessionID, RequestID: c.requestID, DataName: c.route.dataName, Method: c.request.Method,
		Action: c.route.action, AppVersion: c.api.version,
	}
}

// cacheKey is a digest of the route and of everything that its answer depends on, but the time.
func (c *call) cacheKey() [32]byte {
	h := sha256.New()
	digest(h, c.route.name)
	digest(h, c.tenant)
	digest(h, c.owner())
	digest(h, c.request.URL.Path)
	digest(h, c.query.Canonical(commonParams[:]...))
	digest(h, string(c.rawBody))
	return [32]byte(h.Sum(nil))
}

// fingerprint tells requests under one idempotency key apart.
func (c *call) fingerprint() [32]byte {
	h := sha256.New()
	digest(h, c.request.Method)
	digest(h, c.request.URL.Path)
	h.Write(c.rawBody)
	return [32]byte(h.Sum(nil))
}

// digest writes a field with its length, so that fields can't run into each other.
func digest(h hash.Hash, field string) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(field)))
	h.Write(size[:])
	_, _ = io.WriteString(h, field)
}

// etag returns the ETag of a row version.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// noVersion is a version that no row has.
const noVersion = -1

// ifMatch returns the versions of which the caller wants to change one, nil for any. What is no ETag of ours matches nothing.
func (c *call) ifMatch() []int64 {
	header := strings.TrimSpace(strings.Join(c.request.Header.Values("If-Match"), ","))
	if header == "" || header == "*" {
		return nil
	}
	versions := []int64{}
	for tag := range strings.SplitSeq(header, ",") {
		version, err := strconv.ParseInt(strings.Trim(strings.TrimSpace(tag), `"`), 10, 64)
		if err == nil && version >= 0 {
			versions = append(versions, version)
		}
	}
	return versions
}

// unchanged tells whether the caller already has this version.
func (c *call) unchanged(tag string) bool {
	for candidate := range strings.SplitSeq(c.request.Header.Get("If-None-Match"), ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == tag || candidate == "*" {
			return true
		}
	}
	return false
}

// context returns the request's context, which ends with the API's time limit for a request.
func (c *call) context() context.Context { return c.request.Context() }
