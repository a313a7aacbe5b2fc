package rebuild

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"payledger/domain/evidence"
	"payledger/projections"
	"payledger/projections/bulk"
)

// A certificate is written down in the transaction that swaps, in the schema that stands aside from then on, and stays there until the log
// has it: a rebuild that is killed in between is certified by the next run.
const (
	sqlCreateCertificate = `CREATE TABLE shadow.certificate (one boolean PRIMARY KEY DEFAULT true CHECK (one), body text NOT NULL)`
	sqlKeepCertificate   = `INSERT INTO shadow.certificate (body) VALUES ($1)`
	sqlReadCertificate   = `SELECT body FROM shadow.certificate`
	sqlDropCertificate   = `DROP TABLE IF EXISTS shadow.certificate`
)

// certificateOf is what is known of a rebuild when it swaps. Digests of two that are equal are taken later, when nothing waits for them.
func (r *rebuild) certificateOf(at projections.Checkpoint, found verified, equal bool) (evidence.Rebuilt, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return evidence.Rebuilt{}, fmt.Errorf("id of the certificate: %w", err)
	}
	p := r.Projection.Projection
	return evidence.Rebuilt{
		RebuildID: id.String(), Projection: p.Name, Version: p.Version, Position: int(at.Position), HeadHash: hex.EncodeToString(at.Hash[:]), Code: r.Code,
		Rows: int(found.sum.Rows), Digest: found.sum.String(), LiveDigest: found.liveSum.String(), Equal: equal,
		SwappedAt: r.Now().UTC().Truncate(time.Millisecond),
	}, nil
}

// keepCertificate writes a certificate down as part of the transaction that swaps.
func (r *rebuild) keepCertificate(ctx context.Context, tx pgx.Tx, c evidence.Rebuilt) error {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write the certificate: %w", err)
	}
	aside := bulk.InSchema(tx, "shadow.", oldOf(r.live)+".")
	if _, err := aside.Exec(ctx, sqlCreateCertificate); err != nil {
		return err
	}
	_, err = aside.Exec(ctx, sqlKeepCertificate, string(body))
	return err
}

// certify completes a rebuild that has swapped: it appends the certificate that was written down. Found is false when there is none.
func (r *rebuild) certify(ctx context.Context) (result Result, found bool, err error) {
	aside := oldOf(r.live)
	if err := r.Pool.QueryRow(ctx, sqlRegclass, aside+".certificate").Scan(&found); err != nil || !found {
		return Result{}, false, err
	}
	var body string
	s := &shadow{rebuild: r, schema: aside}
	if err := s.inTx(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, sqlReadCertificate).Scan(&body) }); err != nil {
		return Result{}, true, err
	}
	var c evidence.Rebuilt
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		return Result{}, true, fmt.Errorf("read the certificate: %w", err)
	}
	if c.Equal { // what stands still now is what both were
		if r.shapes, err = r.readShapes(ctx, aside); err != nil {
			return Result{}, true, err
		}
		sum, err := r.digest(ctx, aside)
		if err != nil {
			return Result{}, true, err
		}
		c.Rows, c.Digest, c.LiveDigest = int(sum.Rows), sum.String(), sum.String()
	}
	at, err := r.Certify(ctx, c)
	if err != nil {
		return Result{}, true, fmt.Errorf("swapped, but not certified yet, run it again: %w", err)
	}
	r.Failpoint("certified")
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sqlDropCertificate)
		return err
	})
	return Result{
		Position: int64(c.Position), Events: int64(c.Position), Digest: c.Digest, LiveDigest: c.LiveDigest, Equal: c.Equal, Swapped: true,
		RebuildID: c.RebuildID, CertifiedAt: at,
	}, true, err
}
