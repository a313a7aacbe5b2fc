package documents

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/readmodels"
	"payledger/readmodels/compare"
	"payledger/readmodels/search"
)

// comparedColumns are what comparisons see of a document.
var comparedColumns = []string{
	"owner", "status", "reason", "amount", "currency", "created_at", "updated_at", "words", "deleted", "position", "epoch", "body", "state", "stream",
}

// ReadStreams returns all events of streams, in order of position.
type ReadStreams func(ctx context.Context, ids []eventstore.StreamID) ([]catalog.Event, error)

// Expected returns the documents of the rows of streams as they are at a position, whole: with what other streams add to them.
func Expected(ctx context.Context, read ReadStreams, streams []eventstore.StreamID, at int64) (map[Key]*Entry, error) {
	g := gathering{read: read, at: at, seen: make(map[eventstore.StreamID]bool), wanted: make(map[Key]bool)}
	for next := streams; len(next) > 0; {
		var err error
		if next, err = g.gather(ctx, next); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(g.events, func(a, b catalog.Event) int { return cmp.Compare(a.Position, b.Position) })
	var replay Replay
	for i := range g.events {
		if g.events[i].Position > at {
			break
		}
		if err := replay.Apply(g.events[i]); err != nil {
			return nil, err
		}
	}
	entries := make(map[Key]*Entry, len(g.wanted))
	for key := range g.wanted {
		if e := replay.entries[key]; e != nil {
			entries[key] = e
		}
	}
	return entries, nil
}

// gathering collects the events that documents are folded from.
type gathering struct {
	read   ReadStreams
	at     int64
	events []catalog.Event
	seen   map[eventstore.StreamID]bool
	wanted map[Key]bool
}

// gather reads streams and returns those that belong to the same documents. A payment may stand at the position whose application to
// the fee comes right after: so payments are looked for in the whole stream of the fee.
func (g *gathering) gather(ctx context.Context, streams []eventstore.StreamID) (next []eventstore.StreamID, err error) {
	first := len(g.seen) == 0
	for _, id := range streams {
		g.seen[id] = true
	}
	events, err := g.read(ctx, streams)
	if err != nil {
		return nil, err
	}
	g.events = append(g.events, events...)
	add := func(tenant, name string) {
		if id := (eventstore.StreamID{Tenant: tenant, Name: name}); !g.seen[id] && !slices.Contains(next, id) {
			next = append(next, id)
		}
	}
	want := func(stream eventstore.StreamID, ref readmodels.Ref) {
		g.wanted[Key{stream.Tenant, ref}] = true
		add(stream.Tenant, extension.Stream(string(ref.Object), ref.ID))
	}
	states := make(map[eventstore.StreamID]any)
	for i := range events {
		ev := &events[i]
		state, changes, err := readmodels.Fold(states[ev.Stream], *ev)
		if err != nil {
			return nil, err
		}
		states[ev.Stream] = state
		switch e := ev.Data.(type) {
		case fee.PaymentReserved:
			add(ev.Stream.Tenant, payment.Stream(e.PaymentID))
		case fee.PaymentApplied:
			add(ev.Stream.Tenant, payment.Stream(e.PaymentID))
		case extension.Put:
			add(ev.Stream.Tenant, e.Stream)
			if first {
				want(ev.Stream, readmodels.ExtendedBy(e))
			}
		}
		for _, c := range changes {
			if first {
				want(ev.Stream, readmodels.Ref{Object: c.Object, ID: c.New.Key()})
			}
		}
	}
	return next, nil
}

// ExpectedRows is Expected as comparisons see it.
func ExpectedRows(ctx context.Context, read ReadStreams, streams []eventstore.StreamID, at int64) (map[compare.Place]compare.Row, error) {
	entries, err := Expected(ctx, read, streams, at)
	if err != nil {
		return nil, err
	}
	rows := make(map[compare.Place]compare.Row, len(entries))
	for key, e := range entries {
		state, err := encodeState(e.Document)
		if err != nil {
			return nil, fmt.Errorf("document of %s %s: %w", e.Object, e.ID, err)
		}
		d := e.Indexed()
		rows[placeOf(key)] = compare.Row{
			Stream: e.Stream(), Columns: comparedColumns,
			Values: []any{
				d.Owner, d.Status, d.Reason, d.Amount, d.Currency, d.CreatedAt, d.UpdatedAt, joined(d.Words), d.Deleted, d.Position, d.Epoch,
				string(d.Body), string(state), streamOf(e.Document.Row),
			},
		}
	}
	return rows, nil
}

func placeOf(key Key) compare.Place {
	return compare.Place{Tenant: key.Tenant, Object: string(key.Object), ID: key.ID}
}

// joined makes one text of words as a tsvector keeps them: sorted, each once.
func joined(words []string) string { return strings.Join(search.Sorted(words), "\n") }

func feeIDOf(row readmodels.Row) string {
	if event, ok := row.(*readmodels.FeeEvent); ok {
		return event.FeeID
	}
	return ""
}

// Stream returns the stream that the document's row is folded from; that of its extensions when it has no row yet.
func (e *Entry) Stream() eventstore.StreamID {
	return streamIn(e.Key, streamOf(e.Document.Row), feeIDOf(e.Document.Row))
}

// StreamOfKey is that of a document of which nothing but the key is known: right for fees and payments of the gateway, else that of its extensions.
func StreamOfKey(key Key) eventstore.StreamID { return streamIn(key, "", "") }

// streamIn returns the stream of a document's row, by what is known of it; that of its extensions when nothing tells.
func streamIn(key Key, stream, feeID string) eventstore.StreamID {
	switch {
	case stream != "":
	case key.Object == readmodels.ObjectFee:
		stream = fee.Stream(key.ID)
	case key.Object == readmodels.ObjectGatewayPayment:
		stream = gateway.Stream(key.ID)
	case feeID != "":
		stream = fee.Stream(feeID)
	default:
		stream = extension.Stream(string(key.Object), key.ID)
	}
	return eventstore.StreamID{Tenant: key.Tenant, Name: stream}
}

const (
	storedColumns = `tenant, object, id, owner, status, reason, amount, currency, created_at, updated_at, tsvector_to_array(words) AS words, deleted,
    position, epoch, body::text AS body, state::text AS state, coalesce(stream, '') AS stream`

	sqlStored = `
SELECT found.* FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (tenant, object, id) CROSS JOIN LATERAL (
    SELECT ` + storedColumns + ` FROM documents_v2.documents AS d
    WHERE d.tenant = wanted.tenant AND d.object = wanted.object AND d.id = wanted.id OFFSET 0) AS found`

	sqlStoredPage = `
SELECT ` + storedColumns + ` FROM documents_v2.documents WHERE (tenant, object, id) > ($1, $2, $3) ORDER BY tenant, object, id LIMIT $4`
)

// Stored returns those of the documents that stand in the table, as comparisons see them.
func Stored(ctx context.Context, db Querier, places []compare.Place) (map[compare.Place]compare.Row, error) {
	tenants, objects, ids := make([]string, len(places)), make([]string, len(places)), make([]string, len(places))
	for i, p := range places {
		tenants[i], objects[i], ids[i] = p.Tenant, p.Object, p.ID
	}
	rows, _, err := stored(ctx, db, sqlStored, tenants, objects, ids)
	return rows, err
}

// StoredPage returns the documents after a place, some at a time, in the order of their keys, with the last of them; none at the end.
func StoredPage(ctx context.Context, db Querier, after compare.Place, limit int) (map[compare.Place]compare.Row, compare.Place, error) {
	rows, last, err := stored(ctx, db, sqlStoredPage, after.Tenant, after.Object, after.ID, limit)
	if len(rows) == 0 {
		last = after
	}
	return rows, last, err
}

func stored(ctx context.Context, db Querier, sql string, args ...any) (map[compare.Place]compare.Row, compare.Place, error) {
	var key Key
	found, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, compare.Place{}, fmt.Errorf("read documents: %w", err)
	}
	rows := make(map[compare.Place]compare.Row)
	var words []string
	values := make([]any, len(comparedColumns))
	targets := []any{&key.Tenant, &key.Object, &key.ID}
	for i := range values {
		if comparedColumns[i] == "words" {
			targets = append(targets, &words)
		} else {
			targets = append(targets, &values[i])
		}
	}
	_, err = pgx.ForEachRow(found, targets, func() error {
		row := compare.Row{Columns: comparedColumns, Values: slices.Clone(values)}
		row.Values[slices.Index(comparedColumns, "words")] = joined(words)
		row.Stream = streamIn(key, text(row.Value("stream")), feeIDIn(text(row.Value("state"))))
		rows[placeOf(key)] = row
		return nil
	})
	if err != nil {
		return nil, compare.Place{}, fmt.Errorf("read documents: %w", err)
	}
	return rows, placeOf(key), nil
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

// feeIDIn returns the fee that the stored state of a feeEvent names.
func feeIDIn(stored string) string {
	d, err := decodeState([]byte(stored), []byte(`{}`))
	if err != nil {
		return ""
	}
	return feeIDOf(d.Row)
}

const sqlTakeOut = `
DELETE FROM documents_v2.documents AS d USING unnest($1::text[], $2::text[], $3::text[]) AS k (tenant, object, id)
WHERE d.tenant = k.tenant AND d.object = k.object AND d.id = k.id`

// Replace puts the documents of streams, as they are at a position, in the place of what stands at places. The caller holds the
// checkpoint's row, and has made sure that no projector remembers what it replaces.
func Replace(ctx context.Context, tx pgx.Tx, read ReadStreams, streams []eventstore.StreamID, at int64, places []compare.Place) error {
	expected, err := Expected(ctx, read, streams, at)
	if err != nil {
		return err
	}
	tenants, objects, ids := make([]string, len(places)), make([]string, len(places)), make([]string, len(places))
	for i, p := range places {
		tenants[i], objects[i], ids[i] = p.Tenant, p.Object, p.ID
	}
	if _, err := tx.Exec(ctx, sqlTakeOut, tenants, objects, ids); err != nil {
		return fmt.Errorf("take documents out: %w", err)
	}
	var entries []Entry
	for key, e := range expected {
		if slices.Contains(places, placeOf(key)) {
			entries = append(entries, *e)
		}
	}
	return Write(ctx, tx, entries)
}
