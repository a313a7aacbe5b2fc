package selfaudit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"

	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/compare"
)

const (
	// maxStreams and maxEvents bound what one look folds: a stream that is longer is looked at alone.
	maxStreams = 64
	maxEvents  = 2048
	// maxKnown bounds how much known drift is looked at again at a time, the longest unseen first.
	maxKnown = 64
)

// Streams of other kinds tell of no rows.
var prefixes = []string{
	fee.Stream(""), payment.Stream(""), credit.Stream(""), gateway.Stream(""), customer.Stream(""), policy.BooksStream, strings.TrimSuffix(extension.Stream("", ""), "-"),
}

func tellsOfRows(stream string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(stream, prefix) {
			return true
		}
	}
	return false
}

const sqlStreams = `
SELECT tenant, stream, version FROM ledger.streams WHERE (tenant, stream) > ($1, $2) ORDER BY tenant, stream LIMIT $3`

// size is how much is looked at in one step: half a second's worth.
func (a *auditor) size() int { return max(1, min(maxStreams, a.Rate/2)) }

// stepStreams looks at the next streams in all read models.
func (a *auditor) stepStreams(ctx context.Context) (int, error) {
	streams, n, last, err := nextStreams(ctx, a.Pool, a.at.last, a.size())
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return a.next(ctx)
	}
	a.at.last = last
	for _, m := range a.Models {
		if err := a.look(ctx, m, streams, nil); err != nil {
			return 0, err
		}
	}
	a.Metrics.looked(len(streams))
	return n, nil
}

// nextStreams goes over some streams, n of them up to last, and returns those that tell of rows.
func nextStreams(ctx context.Context, db Querier, after compare.Place, limit int) (streams []eventstore.StreamID, n int, last compare.Place, err error) {
	found, err := db.Query(ctx, sqlStreams, after.Tenant, after.ID, limit)
	if err != nil {
		return nil, 0, after, fmt.Errorf("read streams: %w", err)
	}
	type end struct {
		Tenant, Stream string
		Version        int64
	}
	ends, err := pgx.CollectRows(found, pgx.RowToStructByPos[end])
	if err != nil {
		return nil, 0, after, fmt.Errorf("read streams: %w", err)
	}
	last = after
	events := int64(0)
	for _, e := range ends {
		if tellsOfRows(e.Stream) {
			if events += e.Version; events > maxEvents && len(streams) > 0 {
				break
			}
			streams = append(streams, eventstore.StreamID{Tenant: e.Tenant, Name: e.Stream})
		}
		last = compare.Place{Tenant: e.Tenant, ID: e.Stream}
		n++
	}
	return streams, n, last, nil
}

// stepRows looks at the next rows of one read model: each must be one that its stream tells of.
func (a *auditor) stepRows(ctx context.Context) (int, error) {
	m, ok := a.model(a.at.stage)
	if !ok { // of a program with other read models
		return 1, a.begin(ctx, a.Pool)
	}
	page, last, err := m.page(ctx, a.Pool, a.at.last, a.size())
	if err = checkpoints.NotBuilt(err); err != nil && !errors.Is(err, checkpoints.ErrNotBuilt) {
		return 0, err
	}
	if len(page) == 0 {
		return a.next(ctx)
	}
	var streams []eventstore.StreamID
	seen := make(map[eventstore.StreamID]bool)
	for _, row := range page {
		if !seen[row.Stream] {
			seen[row.Stream] = true
			streams = append(streams, row.Stream)
		}
	}
	a.at.last = last
	return len(page), a.look(ctx, m, streams, compare.Places(page))
}

// look compares, and judges what differs.
func (a *auditor) look(ctx context.Context, m Model, streams []eventstore.StreamID, also []compare.Place) error {
	if len(streams) == 0 {
		return nil
	}
	differences, err := a.differences(ctx, m, streams, also)
	if err != nil || len(differences) == 0 {
		return err
	}
	if err := a.rest(ctx, a.Confirm); err != nil {
		return err
	}
	places, streams := placesIn(differences)
	return a.judge(ctx, m, streams, places)
}

// differences compares in one snapshot. A read model that isn't built differs in nothing.
func (a *auditor) differences(ctx context.Context, m Model, streams []eventstore.StreamID, also []compare.Place) (found []compare.Difference, err error) {
	err = snapshot(ctx, a.Pool, func(tx pgx.Tx) error {
		found, _, err = m.differences(ctx, tx, a.Log, streams, also)
		return err
	})
	if err = checkpoints.NotBuilt(err); errors.Is(err, checkpoints.ErrNotBuilt) {
		return nil, nil
	}
	return found, err
}

// A person's texts are gone from the log at once, from a read model when it comes to the erasure: until then nothing is judged.
const sqlErasing = `SELECT EXISTS (SELECT FROM ledger.events WHERE position > $1 AND type = 'person.erased')`

// judge looks at places while nobody writes there, keeps those that differ as drift, and drops those that don't. What differs beside
// them is left to the walk.
func (a *auditor) judge(ctx context.Context, m Model, streams []eventstore.StreamID, places []compare.Place) error {
	err := pgx.BeginFunc(ctx, a.Pool, func(tx pgx.Tx) error {
		if err := a.lease.RenewIn(ctx, tx); err != nil {
			return err
		}
		if err := m.lock(ctx, tx); err != nil {
			return err
		}
		differences, at, err := m.differences(ctx, tx, a.Log, streams, places)
		if err != nil {
			return err
		}
		if len(differences) > 0 {
			var erasing bool
			if err := tx.QueryRow(ctx, sqlErasing, at).Scan(&erasing); err != nil || erasing {
				return err
			}
		}
		differing := make(map[compare.Place]compare.Difference, len(differences))
		for _, d := range differences {
			differing[d.Place] = d
		}
		for _, place := range places {
			d, ok := differing[place]
			if !ok {
				err = clearDrift(ctx, tx, m.Projection.Name, place)
			} else {
				err = a.note(ctx, tx, m.Projection.Name, d, at)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err = checkpoints.NotBuilt(err); err != nil && !errors.Is(err, checkpoints.ErrNotBuilt) {
		return err
	}
	return a.count(ctx)
}

// note stores drift, and logs it the first time.
func (a *auditor) note(ctx context.Context, tx pgx.Tx, projection string, d compare.Difference, at int64) error {
	isNew, err := note(ctx, tx, projection, d, at)
	if isNew {
		a.Logger.ErrorContext(ctx, "a read model differs from the log", slog.String("read_model", projection),
			slog.String("key", d.Key()), slog.String("stream", d.Stream.Name), slog.String("what", d.What), slog.Int64("position", at))
	}
	return err
}

func (a *auditor) count(ctx context.Context) error {
	n, err := counts(ctx, a.Pool)
	if err == nil {
		a.Metrics.found(a.projections(), n)
	}
	return err
}

const sqlKnown = `
SELECT projection, tenant, object, id, stream FROM selfaudit_v1.drift ORDER BY last_seen LIMIT $1`

// lookAgain looks from time to time at drift that is known: it may have been healed.
func (a *auditor) lookAgain(ctx context.Context) error {
	if a.Now().Sub(a.looked) < a.Pause {
		return nil
	}
	a.looked = a.Now()
	found, err := a.Pool.Query(ctx, sqlKnown, maxKnown)
	if err != nil {
		return fmt.Errorf("read drift: %w", err)
	}
	type known struct{ Projection, Tenant, Object, ID, Stream string }
	list, err := pgx.CollectRows(found, pgx.RowToStructByPos[known])
	if err != nil {
		return fmt.Errorf("read drift: %w", err)
	}
	for _, m := range a.Models {
		var places []compare.Place
		var streams []eventstore.StreamID
		for _, k := range list {
			if k.Projection == m.Projection.Name && !a.checked(k.Projection, k.Object) {
				places = append(places, compare.Place{Tenant: k.Tenant, Object: k.Object, ID: k.ID})
				streams = append(streams, eventstore.StreamID{Tenant: k.Tenant, Name: k.Stream})
			}
		}
		if len(places) == 0 {
			continue
		}
		if err := a.judge(ctx, m, distinct(streams), places); err != nil {
			return err
		}
	}
	for _, c := range a.Checks {
		var seen []compare.Difference
		for _, k := range list {
			if k.Projection == c.Projection && (c.Object == "" || c.Object == k.Object) {
				seen = append(seen, compare.Difference{
					Place: compare.Place{Tenant: k.Tenant, Object: k.Object, ID: k.ID}, Stream: eventstore.StreamID{Tenant: k.Tenant, Name: k.Stream},
				})
			}
		}
		if len(seen) == 0 {
			continue
		}
		if err := a.judgeCheck(ctx, c, seen); err != nil {
			return err
		}
	}
	return a.count(ctx)
}

func distinct(ids []eventstore.StreamID) []eventstore.StreamID {
	seen := make(map[eventstore.StreamID]bool, len(ids))
	var unique []eventstore.StreamID
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			unique = append(unique, id)
		}
	}
	return unique
}
