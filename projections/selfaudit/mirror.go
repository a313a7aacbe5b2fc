package selfaudit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"payledger/domain/customer"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/compare"
	"payledger/readmodels/documents"
	"payledger/readmodels/search"
)

// MirrorIndex is the search server's side of the mirror. A document whose key there isn't one of ours has no tenant, and that key as its id.
type MirrorIndex interface {
	// Find returns the documents that stand at the places of the given ones, in their order; the zero value where none does.
	Find(ctx context.Context, wanted []search.Document) ([]search.Document, error)
	// Last returns the number of the last write of an object's documents.
	Last(ctx context.Context, object readmodels.Object) (int64, error)
	// Written returns places of documents by their last writes, after one number and up to another, at most limit; and the last number.
	Written(ctx context.Context, object readmodels.Object, after, until int64, limit int) ([]compare.Place, int64, error)
	// Restore writes some documents and deletes others, whatever stands there, and returns when searches know.
	Restore(ctx context.Context, put, remove []search.Document) error
}

// Mirror is the search server's copy of the documents, and what it is held against.
type Mirror struct {
	Pool  *pgxpool.Pool // connections of the projector role: it takes up to two at a time
	Log   Log
	Index MirrorIndex
}

// mirrorTimeout bounds what is asked of the server while the mirror may not move on: less than the lease of the self-audit.
const mirrorTimeout = 8 * time.Second

// Check compares the mirror with the log: the documents of all streams, and then all documents that stand there. A server that isn't there
// is no drift.
func (m Mirror) Check() Check {
	return Check{
		Name: "mirror", Projection: search.Mirror().Name,
		Look: func(ctx context.Context, after compare.Place, limit int) (seen []compare.Difference, n int, next compare.Place, err error) {
			ctx, cancel := context.WithTimeout(ctx, mirrorTimeout)
			defer cancel()
			if after.Object == "" {
				return m.lookAtStreams(ctx, after, limit)
			}
			return m.lookAtWritten(ctx, after, limit)
		},
		Judge: m.judge,
	}
}

// lookAtStreams compares the documents that the next streams tell of. After the last stream come the documents of the first object.
func (m Mirror) lookAtStreams(ctx context.Context, after compare.Place, limit int) ([]compare.Difference, int, compare.Place, error) {
	streams, n, last, err := nextStreams(ctx, m.Pool, after, limit)
	if err != nil {
		return nil, 0, last, err
	}
	if n == 0 {
		return nil, 1, compare.Place{Object: string(readmodels.Objects()[0])}, nil
	}
	seen, _, err := m.differences(ctx, m.Pool, streams, nil)
	return seen, n, last, err
}

// lookAtWritten compares the next documents of an object as they stand there. A place is the object, the number of the last write that was
// looked at as its id and, as its tenant, that of the last one when this began: what is written later is left to the next round.
func (m Mirror) lookAtWritten(ctx context.Context, after compare.Place, limit int) (seen []compare.Difference, n int, next compare.Place, err error) {
	object := readmodels.Object(after.Object)
	var from, until int64 = -1, 0
	if after.ID == "" {
		until, err = m.Index.Last(ctx, object)
	} else if _, err = fmt.Sscan(after.ID+" "+after.Tenant, &from, &until); err != nil {
		return nil, 0, after, fmt.Errorf("the place %+v: %w", after, err)
	}
	if err != nil {
		return nil, 0, after, cantLook(err)
	}
	places, last, err := m.Index.Written(ctx, object, from, until, limit)
	if err != nil {
		return nil, 0, after, cantLook(err)
	}
	if len(places) == 0 {
		return nil, 1, compare.Place{Object: objectAfter(object)}, nil
	}
	streams, err := m.streamsOf(ctx, places)
	if err == nil {
		seen, _, err = m.differences(ctx, m.Pool, streams, places)
	}
	return seen, len(places), compare.Place{Tenant: strconv.FormatInt(until, 10), Object: after.Object, ID: strconv.FormatInt(last, 10)}, err
}

// objectAfter returns the object after one, empty after the last.
func objectAfter(object readmodels.Object) string {
	all := readmodels.Objects()
	for i, o := range all[:len(all)-1] {
		if o == object {
			return string(all[i+1])
		}
	}
	return ""
}

func cantLook(err error) error { return fmt.Errorf("%w: %w", ErrCantLook, err) }

// streamsOf returns the streams that tell of the documents at places: as Postgres knows, or as the document itself says.
func (m Mirror) streamsOf(ctx context.Context, places []compare.Place) ([]eventstore.StreamID, error) {
	known, err := documents.Stored(ctx, m.Pool, places)
	if err != nil {
		return nil, checkpoints.NotBuilt(err)
	}
	var streams []eventstore.StreamID
	var unknown []search.Document
	for _, place := range places {
		if row, ok := known[place]; ok {
			streams = append(streams, row.Stream)
		} else {
			unknown = append(unknown, documentAt(place))
		}
	}
	found, err := m.Index.Find(ctx, unknown)
	if err != nil {
		return nil, cantLook(err)
	}
	for i, d := range found {
		said, err := m.saidStreams(ctx, unknown[i], d)
		if err != nil {
			return nil, err
		}
		streams = append(streams, said...)
	}
	return distinct(streams), nil
}

// saidStreams returns the streams that a document may be folded from, by its key and what it says.
func (m Mirror) saidStreams(ctx context.Context, at, d search.Document) (streams []eventstore.StreamID, err error) {
	add := func(name string) { streams = append(streams, eventstore.StreamID{Tenant: at.Tenant, Name: name}) }
	key := documents.Key{Tenant: at.Tenant, Ref: readmodels.Ref{Object: at.Object, ID: at.ID}}
	streams = append(streams, documents.StreamOfKey(key))
	var body struct {
		FeeID  string `json:"feeId"`
		UserID string `json:"userId"`
	}
	_ = json.Unmarshal(d.Body, &body) // what isn't JSON says nothing
	switch at.Object {
	case readmodels.ObjectFee, readmodels.ObjectGatewayPayment: // the key is enough
	case readmodels.ObjectFeeEvent:
		add(fee.Stream(body.FeeID))
	case readmodels.ObjectPaymentCustomer, readmodels.ObjectPaymentMethod:
		add(customer.Stream(body.UserID))
	case readmodels.ObjectFeePayment: // which says nothing of its payment, but the fee knows it
		events, err := m.Log.streams(ctx, []eventstore.StreamID{{Tenant: at.Tenant, Name: fee.Stream(body.FeeID)}})
		if err != nil {
			return nil, err
		}
		for i := range events {
			switch e := events[i].Data.(type) {
			case fee.PaymentReserved:
				add(payment.Stream(e.PaymentID))
			case fee.PaymentApplied:
				add(payment.Stream(e.PaymentID))
			}
		}
	}
	return streams, nil
}

// documentAt is a document of which nothing but the place is known.
func documentAt(place compare.Place) search.Document {
	return search.Document{Tenant: place.Tenant, Object: readmodels.Object(place.Object), ID: place.ID}
}

const (
	// Asked after the server, so that nothing of ours can be later there than here.
	sqlMayBeLater = `
SELECT EXISTS (SELECT FROM documents_v2.documents WHERE tenant = $1 AND object = $2 AND id = $3 AND epoch = $4 AND position >= $5)
    OR EXISTS (SELECT FROM ledger.erasures WHERE position = $5 AND epoch = $4 AND tenant = $1)`

	sqlErasedAt = `SELECT EXISTS (SELECT FROM ledger.erasures WHERE position = $3 AND epoch = $2 AND tenant = $1)`
)

// differences compares what streams come to, and what stands at further places, at the checkpoint of the mirror. Documents that it has
// already written behind it are left out. checkpoints.ErrNotBuilt: there is no mirror yet.
func (m Mirror) differences(ctx context.Context, db Querier, streams []eventstore.StreamID, also []compare.Place) ([]compare.Difference, int64, error) {
	at, err := checkpoints.Read(ctx, db, search.Mirror())
	if err != nil {
		return nil, 0, err
	}
	if at == 0 {
		return nil, 0, checkpoints.ErrNotBuilt
	}
	wanted, stored := make(rows), make(rows)
	expected, err := m.expected(ctx, streams, at)
	if err != nil {
		return nil, 0, err
	}
	var places []compare.Place
	for place, w := range expected {
		wanted[place] = rowOf(w.Document, w.stream)
		places = append(places, place)
	}
	for _, place := range also {
		if _, ok := expected[place]; !ok {
			places = append(places, place)
		}
	}
	asked := make([]search.Document, len(places))
	for i, place := range places {
		asked[i] = documentAt(place)
	}
	found, err := m.Index.Find(ctx, asked)
	if err != nil {
		return nil, 0, cantLook(err)
	}
	for i, place := range places {
		has := found[i]
		if has.ID == "" {
			continue
		}
		want, ok := expected[place]
		later, err := m.later(ctx, db, place, &has, want.Document, at)
		if err != nil {
			return nil, 0, err
		}
		if later {
			delete(wanted, place)
			continue
		}
		stream := want.stream
		if !ok {
			stream = documents.StreamOfKey(documents.Key{Tenant: place.Tenant, Ref: readmodels.Ref{Object: has.Object, ID: place.ID}})
		}
		stored[place] = rowOf(has, stream)
	}
	return compare.Rows(wanted, stored), at, nil
}

// later reports whether the mirror has written a document behind its checkpoint. One that an erasure has emptied stands at the erasure; its place
// is then taken for the document's own.
func (m Mirror) later(ctx context.Context, db Querier, place compare.Place, has *search.Document, want search.Document, at int64) (later bool, err error) {
	if has.Epoch < want.Epoch || has.Epoch == want.Epoch && has.Position <= want.Position {
		return false, nil
	}
	if has.Position > at {
		err = db.QueryRow(ctx, sqlMayBeLater, place.Tenant, place.Object, place.ID, has.Epoch, has.Position).Scan(&later)
		return later, checkpoints.NotBuilt(err)
	}
	var erased bool
	if err := db.QueryRow(ctx, sqlErasedAt, place.Tenant, has.Epoch, has.Position).Scan(&erased); err != nil {
		return false, fmt.Errorf("look for erasures: %w", err)
	}
	if erased {
		has.Epoch, has.Position = want.Epoch, want.Position
	}
	return false, nil
}

// mirrored is a document as the mirror should have it.
type mirrored struct {
	search.Document
	stream eventstore.StreamID
}

func (m Mirror) expected(ctx context.Context, streams []eventstore.StreamID, at int64) (map[compare.Place]mirrored, error) {
	entries, err := documents.Expected(ctx, m.Log.streams, streams, at)
	if err != nil {
		return nil, fmt.Errorf("fold for the mirror: %w", err)
	}
	all := make(map[compare.Place]mirrored, len(entries))
	for key, e := range entries {
		all[compare.Place{Tenant: key.Tenant, Object: string(key.Object), ID: key.ID}] = mirrored{e.Indexed(), e.Stream()}
	}
	return all, nil
}

// mirrorColumns are what comparisons see of a document there.
var mirrorColumns = []string{
	"tenant", "id", "owner", "status", "reason", "amount", "currency", "created_at", "updated_at", "words", "deleted", "position", "epoch", "body",
}

func rowOf(d search.Document, stream eventstore.StreamID) compare.Row {
	return compare.Row{Stream: stream, Columns: mirrorColumns, Values: []any{
		d.Tenant, d.ID, d.Owner, d.Status, d.Reason, d.Amount, d.Currency, d.CreatedAt, d.UpdatedAt, strings.Join(search.Sorted(d.Words), "\n"), d.Deleted,
		d.Position, d.Epoch, string(d.Body),
	}}
}

// lockMirror keeps the mirror from moving on until the transaction ends.
func lockMirror(ctx context.Context, tx pgx.Tx) error {
	return Model{Projection: search.Mirror()}.lock(ctx, tx)
}

// judge compares places while the mirror can't move on.
func (m Mirror) judge(ctx context.Context, seen []compare.Difference) (found []compare.Difference, err error) {
	ctx, cancel := context.WithTimeout(ctx, mirrorTimeout)
	defer cancel()
	places, streams := placesIn(seen)
	err = pgx.BeginFunc(ctx, m.Pool, func(tx pgx.Tx) error {
		if err := lockMirror(ctx, tx); err != nil {
			return err
		}
		all, at, err := m.differences(ctx, tx, streams, places)
		if err != nil {
			return err
		}
		var erasing bool
		if err := tx.QueryRow(ctx, sqlErasing, at).Scan(&erasing); err != nil {
			return err
		}
		if erasing && len(all) > 0 {
			return fmt.Errorf("%w: an erasure isn't mirrored yet", ErrCantLook)
		}
		wanted := make(map[compare.Place]bool, len(places))
		for _, place := range places {
			wanted[place] = true
		}
		for _, d := range all { // what differs beside them is left to the walk
			if wanted[d.Place] {
				found = append(found, d)
			}
		}
		return nil
	})
	return found, err
}

// StreamsOf returns the streams that the document at a place may be folded from: by known drift, and as for the walk.
func (m Mirror) StreamsOf(ctx context.Context, place compare.Place) ([]eventstore.StreamID, error) {
	streams, err := m.streamsOf(ctx, []compare.Place{place})
	if err != nil {
		return nil, err
	}
	name, known, err := streamOfDrift(ctx, m.Pool, search.Mirror().Name, place)
	if known {
		streams = append(streams, eventstore.StreamID{Tenant: place.Tenant, Name: name})
	}
	return distinct(streams), err
}

// Heal rewrites the documents of streams in the mirror, and what stands at further places, as of its checkpoint: as Heal does, whose errors it
// has, and search.ErrUnavailable. What is written there stays if the transaction fails.
func (m Mirror) Heal(ctx context.Context, streams []eventstore.StreamID, also []compare.Place, dryRun bool) (Healed, error) {
	var healed Healed
	p := search.Mirror()
	err := pgx.BeginFunc(ctx, m.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlHealSettings); err != nil {
			return err
		}
		if err := lockMirror(ctx, tx); err != nil {
			return err
		}
		if err := EnsureSchema(ctx, tx); err != nil {
			return err
		}
		also := slices.Clone(also)
		for _, stream := range streams {
			known, err := placesOf(ctx, tx, p.Name, stream)
			if err != nil {
				return err
			}
			also = append(also, known...)
		}
		var err error
		if healed.Differences, healed.Position, err = m.differences(ctx, tx, streams, also); err != nil || dryRun {
			return err
		}
		places, _ := placesIn(healed.Differences)
		if err := m.restore(ctx, tx, streams, healed.Position, places, also); err != nil {
			return err
		}
		for _, place := range append(places, also...) {
			if err := clearDrift(ctx, tx, p.Name, place); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Healed{}, fmt.Errorf("heal %s of %s: %w", streams[0], p.Name, checkpoints.NotBuilt(err))
	}
	return healed, nil
}

// restore writes what streams come to at some places. The mirror's owner must lose its lease: what it had sent meanwhile it sends again.
func (m Mirror) restore(ctx context.Context, tx pgx.Tx, streams []eventstore.StreamID, at int64, places, also []compare.Place) error {
	if len(places) == 0 {
		return nil
	}
	expected, err := m.expected(ctx, streams, at)
	if err != nil {
		return err
	}
	var put, remove []search.Document
	for _, place := range places {
		if d, ok := expected[place]; ok {
			put = append(put, d.Document)
		} else {
			remove = append(remove, documentAt(place))
		}
	}
	p := search.Mirror()
	if _, err := tx.Exec(ctx, sqlDismissOwner, p.Name, p.Version); err != nil {
		return err
	}
	if err := m.Index.Restore(ctx, put, remove); err != nil {
		return err
	}
	left, _, err := m.differences(ctx, tx, streams, append(also, places...))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%s: %w", left[0].Key(), ErrStillDiffers)
	}
	return err
}
