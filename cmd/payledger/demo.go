package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"payledger/cmd/payledger/internal/config"
	"payledger/cmd/payledger/internal/devstack"
	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/projections/publisher"
)

// demoTimeout bounds the whole demo.
const demoTimeout = 60 * time.Second

// demoFee is one fee of the demo library.
type demoFee struct {
	who, reason, note, amount string
	paid                      string // cash taken for it, if any
	oldestFirst               bool   // pay without naming the fee: the rest becomes a credit
	patch                     string // status set afterwards, if any
}

func demoFees() []demoFee {
	return []demoFee{
		{who: "member", reason: "overdue", note: "Brontë, Villette: 9 days", amount: "4.50", paid: "4.50"},
		{who: "member", reason: "lost", note: "Melville, Moby-Dick", amount: "19.99", paid: "5.00"},
		{who: "member", reason: "damage", note: "coffee on pp. 12-40", amount: "7.25"},
		{who: "otherMember", reason: "overdue", note: "Brontë, Shirley: 2 days", amount: "1.00", patch: "waived"},
		{who: "otherMember", reason: "manual", note: "charged by mistake", amount: "12.00", patch: "canceled"},
		{who: "otherMember", reason: "lost", note: "Čapek, R.U.R.", amount: "24.00", paid: "30.00", oldestFirst: true},
	}
}

// demo fills the library through the API, as a supervisor would, and follows the first fee to its end. A second start finds everything there:
// the idempotency keys are the same.
func (a *app) demo(ctx context.Context, ready devReady) error {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	if len(ready.Tokens) == 0 {
		return errors.New("tokens come from another issuer: the demo needs its own")
	}
	c := &demoClient{base: ready.Library, token: ready.Tokens["supervisor"]}
	var first string
	for i, fee := range demoFees() {
		id, err := c.play(ctx, i, fee, ready.Users[fee.who])
		if err != nil {
			return err
		}
		if i == 0 {
			first = id
		}
	}
	fmt.Fprintf(a.stderr, "demo: %d fees assessed, some paid, one waived, one cancelled\n", len(demoFees()))
	return a.follow(ctx, c, ready, first)
}

// follow shows the way of one fee: row, search, messages.
func (a *app) follow(ctx context.Context, c *demoClient, ready devReady, feeID string) error {
	var row struct {
		Fee struct {
			Status string      `json:"status"`
			Amount json.Number `json:"amount"`
		} `json:"fee"`
	}
	if err := c.call(ctx, http.MethodGet, "/fees/"+feeID, nil, "", &row); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "demo: fee %s of %s is %s\n", feeID, row.Fee.Amount, row.Fee.Status)
	var found struct {
		RowCount int `json:"rowCount"`
	}
	if err := c.call(ctx, http.MethodGet, "/search/fees?q="+url.QueryEscape("bronte villette"), nil, "", &found); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "demo: search for \"bronte villette\" finds %d\n", found.RowCount)
	topics, err := a.published(ctx, ready, feeID)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		fmt.Fprintf(a.stderr, "demo: published on %s\n", topic)
	}
	return nil
}

var errAllSeen = errors.New("all topics were seen")

// published waits until the row and the document of a paid fee stand on their topics.
func (a *app) published(ctx context.Context, ready devReady, feeID string) ([]string, error) {
	cfg, err := config.Parse(a.environ)
	if err != nil {
		return nil, err
	}
	cfg.KafkaBrokers = []string{ready.Kafka}
	want := map[string]bool{}
	for _, t := range publisher.Topics(topicConfig(cfg)) {
		if t.Object == "fee" && (t.Kind == publisher.KindDB || t.Kind == publisher.KindIndex) && (t.Action == "created" || t.Action == "updated") {
			want[t.Topic] = true
		}
	}
	var seen []string
	names := make([]string, 0, len(want))
	for name := range want {
		names = append(names, name)
	}
	err = kafkabus.Tail(ctx, kafkaConfig(cfg), names, 1, func(m kafkabus.Message) error {
		if m.Key == feeID && !slices.Contains(seen, m.Topic) {
			seen = append(seen, m.Topic)
		}
		if len(seen) == len(want) {
			return errAllSeen
		}
		return nil
	})
	if err != nil && !errors.Is(err, errAllSeen) {
		return nil, err
	}
	if err == nil {
		return nil, fmt.Errorf("only %d of %d topics carry the fee: %w", len(seen), len(want), context.DeadlineExceeded)
	}
	slices.Sort(seen)
	return seen, nil
}

// demoClient calls the API as a supervisor: staff may not cancel.
type demoClient struct {
	base, token string
}

func (c *demoClient) play(ctx context.Context, i int, fee demoFee, userID string) (string, error) {
	var assessed struct {
		Fee struct {
			ID string `json:"id"`
		} `json:"fee"`
	}
	key := func(step string) string { return fmt.Sprintf("demo-%d-%s", i, step) }
	body := map[string]any{
		"userId": userID, "loanId": uuid.NewSHA1(uuid.NameSpaceOID, []byte(key("loan"))).String(),
		"amount": json.Number(fee.amount), "currency": "USD", "reason": fee.reason, "note": fee.note,
	}
	if err := c.call(ctx, http.MethodPost, "/fees", body, key("assess"), &assessed); err != nil {
		return "", err
	}
	id := assessed.Fee.ID
	if fee.paid != "" {
		body := map[string]any{"userId": userID, "tender": "cash", "amount": json.Number(fee.paid), "currency": "USD"}
		if !fee.oldestFirst {
			body["allocations"] = []map[string]any{{"feeId": id, "amount": json.Number(fee.paid)}}
		}
		if err := c.call(ctx, http.MethodPost, "/payments", body, key("pay"), nil); err != nil {
			return "", err
		}
	}
	if fee.patch != "" {
		if err := c.call(ctx, http.MethodPatch, "/fees/"+id, map[string]any{"status": fee.patch}, key("patch"), nil); err != nil {
			return "", err
		}
	}
	return id, nil
}

// call sends one request and decodes a 2xx answer into target; what is not visible yet is asked for again until ctx ends.
func (c *demoClient) call(ctx context.Context, method, path string, body any, key string, target any) error {
	for {
		status, text, err := c.send(ctx, method, path, body, key)
		switch {
		case err != nil:
			return err
		case status == http.StatusServiceUnavailable && ctx.Err() == nil:
			continue // it waited already
		case status >= http.StatusMultipleChoices:
			return fmt.Errorf("%s %s: status %d: %s", method, path, status, text)
		case target == nil:
			return nil
		}
		if err := json.Unmarshal(text, target); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		return nil
	}
}

func (c *demoClient) send(ctx context.Context, method, path string, body any, key string) (int, []byte, error) {
	var reader io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key+"-"+devstack.Tenant)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return response.StatusCode, text, nil
}
