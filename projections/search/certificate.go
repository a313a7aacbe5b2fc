package search

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"payledger/projections/bulk"
	"payledger/projections/rebuild"
	"payledger/readmodels/digest"
	"payledger/readmodels/search"
)

// certify completes a rebuild whose certificate is written down. Found is false when there is none, or its indices were never swapped.
func (r *rebuilder) certify(ctx context.Context) (result rebuild.Result, found bool, err error) {
	var body string
	var indices []string
	err = r.Pool.QueryRow(ctx, sqlReadCertificate).Scan(&body, &indices)
	if errors.Is(err, pgx.ErrNoRows) {
		return rebuild.Result{}, false, nil
	}
	if err != nil {
		return rebuild.Result{}, false, err
	}
	inUse, err := r.Live.Names(ctx)
	if err != nil {
		return rebuild.Result{}, false, err
	}
	if !slices.Equal(inUse, indices) { // killed before they were swapped; or lost since
		_, err := r.Pool.Exec(ctx, sqlDropCertificate)
		return rebuild.Result{}, false, err
	}
	c, err := rebuild.ReadCertificate(body)
	if err != nil {
		return rebuild.Result{}, true, err
	}
	old, err := r.Old.Ready(ctx)
	if err != nil {
		return rebuild.Result{}, true, err
	}
	if !old { // deleted by somebody
		c.Digest, c.LiveDigest = "", ""
	} else {
		var sum digest.Sum
		err := r.Old.Each(ctx, func(d search.Document) error {
			sum.Add(form(d))
			r.Progress(bulk.Progress{Stage: rebuild.StageDigest, Done: sum.Rows, Total: sum.Rows})
			return nil
		})
		if err != nil {
			return rebuild.Result{}, true, err
		}
		c.Digested(sum)
	}
	hash, err := hex.DecodeString(c.HeadHash)
	if err != nil {
		return rebuild.Result{}, true, fmt.Errorf("hash of the certificate: %w", err)
	}
	at, err := r.Certify(ctx, c.Rebuilt)
	if err != nil {
		return rebuild.Result{}, true, fmt.Errorf("swapped, but not certified yet, run it again: %w", err)
	}
	r.Failpoint("certified")
	err = pgx.BeginFunc(ctx, r.Pool, func(tx pgx.Tx) error {
		_, dropCertificate := tx.Exec(ctx, sqlDropCertificate)
		_, dropNew := tx.Exec(ctx, sqlDropSide, sideNew)
		_, beginOld := tx.Exec(ctx, sqlBeginSide, sideOld, c.Code, c.Position, hash)
		return errors.Join(dropCertificate, dropNew, beginOld)
	})
	return c.Result(at), true, err
}

// keepCertificate writes the certificate down before the indices are swapped.
func (r *rebuilder) keepCertificate(ctx context.Context, next *aside, c *comparison) error {
	certificate, err := rebuild.NewCertificate(search.Mirror(), r.Code, r.Now(), next.at, c.sum, c.liveSum, c.different == 0)
	if err != nil {
		return err
	}
	body, err := certificate.Text()
	if err != nil {
		return err
	}
	indices, err := r.New.Names(ctx)
	if err != nil {
		return err
	}
	_, err = r.Pool.Exec(ctx, sqlKeepCertificate, body, indices)
	return err
}
