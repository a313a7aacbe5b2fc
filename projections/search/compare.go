package search

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"payledger/projections"
	"payledger/projections/bulk"
	"payledger/projections/rebuild"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/digest"
	"payledger/readmodels/search"
)

const (
	sqlByKey = `
SELECT tenant, object, id, owner, status, reason, amount, currency, created_at, updated_at, tsvector_to_array(words), deleted, position, epoch, body
FROM documents_v2.documents WHERE (tenant, object, id) > ($1, $2, $3) ORDER BY tenant, object, id LIMIT $4`

	sqlCountDocuments = `SELECT greatest(0, reltuples)::bigint FROM pg_class WHERE oid = 'documents_v2.documents'::regclass`
	sqlMoved          = `SELECT position > $4 FROM documents_v2.documents WHERE tenant = $1 AND object = $2 AND id = $3`
	sqlCountUpTo      = `SELECT count(*) FROM documents_v2.documents WHERE position <= $1`
	sqlMovedOn        = `SELECT tenant, object, id FROM documents_v2.documents WHERE position > $1`
	sqlErasedAfter    = `SELECT EXISTS (SELECT FROM ledger.erasures WHERE position > $1)`
)

// maxDifferences is how many documents that differ are named.
const maxDifferences = 10

// comparison holds two mirrors against the documents.
type comparison struct {
	*rebuilder
	since        int64 // up to where the new one had come when it began
	different    int
	sum, liveSum digest.Sum // of what was compared, each document as it was then
	// later are the documents that a mirror has in a later form than the rows had: changed must come upon them.
	later map[documentKey]search.Document
}

type documentKey struct{ tenant, object, id string }

func keyOf(d search.Document) documentKey { return documentKey{d.Tenant, string(d.Object), d.ID} }

// all compares page by page, without stopping anybody: the new mirror stands still, and of the one in use only documents count that it must
// have, and that it doesn't have in a later form already. Those are compared by changed.
func (c *comparison) all(ctx context.Context) error {
	var done, total int64
	if err := c.Pool.QueryRow(ctx, sqlCountDocuments).Scan(&total); err != nil {
		return err
	}
	var last search.Document
	for {
		var page []search.Document
		var live int64
		err := pgx.BeginTxFunc(ctx, c.Pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
			if live, err = checkpoints.Read(ctx, tx, search.Mirror()); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, sqlByKey, last.Tenant, last.Object, last.ID, c.mirror.PageSize)
			if err != nil {
				return err
			}
			page, err = pgx.CollectRows(rows, scanDocument)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		if err := c.page(ctx, page, c.since, live); err != nil {
			return err
		}
		last = page[len(page)-1]
		done += int64(len(page))
		c.Progress(bulk.Progress{Stage: rebuild.StageVerify, Done: done, Total: max(done, total)})
	}
}

// changed compares what has changed since the comparison began, now that both mirrors have come to a position. projections.ErrLeaseLost: the
// mirror in use has gone on meanwhile.
func (c *comparison) changed(ctx context.Context, lease *projections.Lease, upTo int64) error {
	if erased, err := c.erasedAfter(ctx, c.since); err != nil || erased {
		return errIf(err, erased)
	}
	for at := c.since; at < upTo; {
		if err := lease.Renew(ctx); err != nil {
			return err
		}
		page, to, err := c.mirror.read(ctx, at)
		if err != nil {
			return err
		}
		for _, d := range page {
			delete(c.later, keyOf(d))
		}
		if err := c.page(ctx, page, upTo, upTo); err != nil {
			return err
		}
		at = max(to.Position, at+1)
	}
	for _, d := range c.later {
		var moved bool // behind upTo by now: the mirror will write it
		if err := c.Pool.QueryRow(ctx, sqlMoved, d.Tenant, d.Object, d.ID, upTo).Scan(&moved); err != nil {
			return err
		}
		if moved {
			continue
		}
		state := map[string]any{"document": "later than the document"}
		c.differs(rebuild.Difference{Table: string(d.Object), Key: []string{d.Tenant, d.ID}, Live: state, Rebuilt: state})
	}
	return c.counts(ctx, lease, upTo)
}

// counts demands that each mirror has as many documents as there are rows, but for rows that have moved on behind upTo: one mirror may have them
// from before, the other not yet.
func (c *comparison) counts(ctx context.Context, lease *projections.Lease, upTo int64) error {
	var want int64
	var moved []search.Document
	err := pgx.BeginTxFunc(ctx, c.Pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, sqlCountUpTo, upTo).Scan(&want); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sqlMovedOn, upTo)
		if err != nil {
			return err
		}
		moved, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d search.Document, err error) {
			return d, row.Scan(&d.Tenant, &d.Object, &d.ID)
		})
		return err
	})
	if err != nil {
		return err
	}
	has := make([]int64, 2)
	for i, side := range []Side{c.Live, c.New} {
		if has[i], err = side.Count(ctx); err != nil {
			return err
		}
		for chunk := range slices.Chunk(moved, c.mirror.PageSize) {
			found, err := side.Find(ctx, chunk)
			if err != nil {
				return err
			}
			for _, d := range found {
				if d.ID != "" {
					has[i]--
				}
			}
			if err := lease.Renew(ctx); err != nil {
				return err
			}
		}
	}
	if err := lease.Renew(ctx); err != nil {
		return err
	}
	if has[0] != want || has[1] != want {
		c.differs(rebuild.Difference{
			Table: "documents", Key: []string{"count"}, Live: map[string]any{"count": has[0], "rows": want}, Rebuilt: map[string]any{"count": has[1], "rows": want},
		})
	}
	return nil
}

func (c *comparison) differs(d rebuild.Difference) {
	if c.different++; c.different <= maxDifferences {
		c.Differs(d)
	}
}

func (c *comparison) erasedAfter(ctx context.Context, position int64) (erased bool, err error) {
	err = c.Pool.QueryRow(ctx, sqlErasedAfter, position).Scan(&erased)
	return erased, err
}

func errIf(err error, erased bool) error {
	if err == nil && erased {
		return errErased
	}
	return err
}

// page compares documents with what both mirrors have, which have come at least to these positions.
func (c *comparison) page(ctx context.Context, page []search.Document, builtTo, liveTo int64) error {
	built, err := c.New.Find(ctx, page)
	if err != nil {
		return err
	}
	live, err := c.Live.Find(ctx, page)
	if err != nil {
		return err
	}
	for i, d := range page {
		want := string(form(d))
		ofBuilt, ofLive := c.judge(d, want, built[i], builtTo, &c.sum), c.judge(d, want, live[i], liveTo, &c.liveSum)
		if ofBuilt && ofLive {
			continue
		}
		if erased, err := c.erasedAfter(ctx, min(c.since, liveTo)); err != nil || erased {
			return errIf(err, erased)
		}
		c.differs(rebuild.Difference{
			Table: string(d.Object), Key: []string{d.Tenant, d.ID}, Live: saying(ofLive, live[i]), Rebuilt: saying(ofBuilt, built[i]),
		})
	}
	return nil
}

// judge reports whether a mirror that has come to a position has a document as it should be, and adds what it has to a digest.
func (c *comparison) judge(d search.Document, want string, has search.Document, upTo int64, sum *digest.Sum) bool {
	if d.Position > upTo {
		return true // it is compared when both stand still
	}
	if has.Position > c.since && has.Position > d.Position {
		c.later[keyOf(d)] = d
		return true
	}
	if has.ID == "" {
		return false
	}
	got := form(has)
	sum.Add(got)
	return string(got) == want
}

func saying(right bool, has search.Document) map[string]any {
	state := "differs from the document"
	switch {
	case right:
		state = "as the document"
	case has.ID == "":
		state = "missing"
	}
	return map[string]any{"document": state}
}

// result is what is known before a swap.
func (c *comparison) result(next *aside) rebuild.Result {
	return rebuild.Result{
		Position: next.at.Position, Events: next.at.Position, Digest: c.sum.String(), LiveDigest: c.liveSum.String(), Equal: c.different == 0,
	}
}

// form is what digests are made of: all of a document but where it stands in the log.
func form(d search.Document) digest.Row {
	row := digest.Row(nil).Text(d.Tenant).Text(string(d.Object)).Text(d.ID).Text(d.Owner).Text(d.Status).Text(d.Reason).Int(d.Amount).Text(d.Currency).
		Time(d.CreatedAt).Time(d.UpdatedAt).Bool(d.Deleted).Bytes(d.Body).Int(int64(len(d.Words)))
	for _, word := range d.Words {
		row = row.Text(word)
	}
	return row
}
