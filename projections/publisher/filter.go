package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// ErrBadFilter says that a filter can't be meant: the error names the value and the rule.
var ErrBadFilter = errors.New("bad filter")

// Filter narrows what is sent again. Of one field any of the values may be it, and all fields must; an empty one lets everything through.
type Filter struct {
	Topics  []string // of the first sending
	Kinds   []string // of topics: db, index, route, journal
	Objects []string // of topics, such as feePayment; event for the journal
	Tenants []string
	Streams []string // names of the streams whose events caused the messages
	Persons []string // ids: whom these streams are about
}

// selection is a filter made ready.
type selection struct {
	topics  map[string]bool
	tenants []string
	streams map[string]bool // tenant/name; nil for all
}

// selects reports whether a message is meant.
func (s *selection) selects(o *outgoing) bool {
	if !s.topics[o.topic] {
		return false
	}
	meta := o.msg.Metadata
	if len(s.tenants) > 0 && !slices.Contains(s.tenants, meta[headerTenant]) {
		return false
	}
	return s.streams == nil || s.streams[meta[headerTenant]+"/"+meta[headerStream]]
}

// ready looks the values of the filter up. Its errors are ErrBadFilter and the database's.
func (f Filter) ready(ctx context.Context, c Source) (*selection, error) {
	s := &selection{topics: make(map[string]bool), tenants: f.Tenants}
	all := Topics(c.Topics)
	for _, check := range []struct {
		name   string
		values []string
		of     func(Topic) string
	}{
		{"topic", f.Topics, func(t Topic) string { return t.Topic }},
		{"kind", f.Kinds, func(t Topic) string { return string(t.Kind) }},
		{"object", f.Objects, func(t Topic) string { return t.Object }},
	} {
		for _, value := range check.values {
			if !slices.ContainsFunc(all, func(t Topic) bool { return check.of(t) == value }) {
				return nil, fmt.Errorf("%w: %s=%s: must be one that `payledger topics` lists", ErrBadFilter, check.name, value)
			}
		}
	}
	for _, t := range all {
		if matches(f.Topics, t.Topic) && matches(f.Kinds, string(t.Kind)) && matches(f.Objects, t.Object) {
			s.topics[t.Topic] = true
		}
	}
	if len(s.topics) == 0 {
		return nil, fmt.Errorf("%w: no topic has all of it: see `payledger topics`", ErrBadFilter)
	}
	if err := f.known(ctx, c.Pool, "tenant", f.Tenants, sqlKnownTenant); err != nil {
		return nil, err
	}
	if err := f.known(ctx, c.Pool, "stream", f.Streams, sqlKnownStream); err != nil {
		return nil, err
	}
	if err := f.known(ctx, c.Pool, "person", f.Persons, sqlKnownPerson); err != nil {
		return nil, err
	}
	if len(f.Streams)+len(f.Persons) == 0 {
		return s, nil
	}
	var err error
	if s.streams, err = f.findStreams(ctx, c.Pool); err == nil && len(s.streams) == 0 {
		err = fmt.Errorf("%w: no stream has all of it: tenant, stream and person", ErrBadFilter)
	}
	return s, err
}

func matches(values []string, value string) bool {
	return len(values) == 0 || slices.Contains(values, value)
}

// querier is what a query can be run on.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const (
	sqlKnownTenant = `SELECT v FROM unnest($1::text[]) AS v WHERE NOT EXISTS (SELECT FROM ledger.streams WHERE tenant = v)`
	sqlKnownStream = `SELECT v FROM unnest($1::text[]) AS v WHERE NOT EXISTS (SELECT FROM ledger.streams WHERE stream = v)`
	sqlKnownPerson = `SELECT v FROM unnest($1::text[]) AS v WHERE v = '' OR NOT EXISTS (SELECT FROM ledger.streams WHERE subject = v)`
)

// known refuses values that the log doesn't know: nothing would be sent, and nobody would know why.
func (f Filter) known(ctx context.Context, db querier, name string, values []string, sql string) error {
	if len(values) == 0 {
		return nil
	}
	rows, err := db.Query(ctx, sql, values)
	if err != nil {
		return fmt.Errorf("look for the %s of a filter: %w", name, err)
	}
	unknown, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for the %s of a filter: %w", name, err)
	}
	if len(unknown) > 0 {
		return fmt.Errorf("%w: %s=%s: must be one that the log knows", ErrBadFilter, name, unknown[0])
	}
	return nil
}

const sqlFilterStreams = `
SELECT tenant || '/' || stream FROM ledger.streams
WHERE (cardinality($1::text[]) = 0 OR stream = ANY ($1)) AND (cardinality($2::text[]) = 0 OR subject = ANY ($2))
  AND (cardinality($3::text[]) = 0 OR tenant = ANY ($3))`

func (f Filter) findStreams(ctx context.Context, db querier) (map[string]bool, error) {
	streams := make(map[string]bool)
	rows, err := db.Query(ctx, sqlFilterStreams, noNil(f.Streams), noNil(f.Persons), noNil(f.Tenants))
	if err != nil {
		return nil, fmt.Errorf("read the streams of a filter: %w", err)
	}
	var name string
	if _, err := pgx.ForEachRow(rows, []any{&name}, func() error { streams[name] = true; return nil }); err != nil {
		return nil, fmt.Errorf("read the streams of a filter: %w", err)
	}
	return streams, nil
}

// noNil makes NULL, which is no array, an empty one.
func noNil(values []string) []string { return append([]string{}, values...) }
