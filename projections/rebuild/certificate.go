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
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/digest"
)

// A certificate is written down in the transaction that swaps, in the schema that stands aside from then on, and stays there until the log
// has it: a rebuild that is killed in between is certified by the next run.
const (
	sqlCreateCertificate = `CREATE TABLE shadow.certificate (one boolean PRIMARY KEY DEFAULT true CHECK (one), body text NOT NULL)`
	sqlKeepCertificate   = `INSERT INTO shadow.certificate (body) VALUES ($1)`
	sqlReadCertificate   = `SELECT body FROM shadow.certificate`
	sqlDropCertificate   = `DROP TABLE IF EXISTS shadow.certificate`
)

// Certificate is what is written down of a rebuild until the log has it.
type Certificate struct {
	evidence.Rebuilt
	// Summed says that nothing was applied since the comparison began, so that its digests are those of the swap.
	Summed bool `json:"summed"`
}

// NewCertificate says what is known of a rebuild when it swaps. Digests are taken later, when nothing waits for them, see Digested.
func NewCertificate(p checkpoints.Projection, code string, now time.Time, at projections.Checkpoint, sum, liveSum digest.Sum, equal bool) (Certificate, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Certificate{}, fmt.Errorf("id of the certificate: %w", err)
	}
	return Certificate{Rebuilt: evidence.Rebuilt{
		RebuildID: id.String(), Projection: p.Name, Version: p.Version, Position: int(at.Position), HeadHash: hex.EncodeToString(at.Hash[:]), Code: code,
		Rows: int(sum.Rows), Digest: sum.String(), LiveDigest: liveSum.String(), Equal: equal, SwappedAt: now.UTC().Truncate(time.Millisecond),
	}}, nil
}

// ReadCertificate reads one that Text wrote.
func ReadCertificate(text string) (c Certificate, err error) {
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return c, fmt.Errorf("read the certificate: %w", err)
	}
	return c, nil
}

// Text is how it is written down.
func (c Certificate) Text() (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("write the certificate: %w", err)
	}
	return string(text), nil
}

// Digested puts the digest in of what stands aside, as it was when the two were swapped. What took its place goes on: if that was another one, it has
// no digest.
func (c *Certificate) Digested(sum digest.Sum) {
	c.Digest, c.LiveDigest = "", sum.String()
	if c.Equal {
		c.Rows, c.Digest = int(sum.Rows), c.LiveDigest
	}
}

// Result is that of a rebuild whose certificate stands at a position of the log.
func (c Certificate) Result(at int64) Result {
	return Result{
		Position: int64(c.Position), Events: int64(c.Position), Digest: c.Digest, LiveDigest: c.LiveDigest, Equal: c.Equal, Swapped: true,
		RebuildID: c.RebuildID, CertifiedAt: at,
	}
}

// keepCertificate writes a certificate down as part of the transaction that swaps.
func (r *rebuild) keepCertificate(ctx context.Context, tx pgx.Tx, c Certificate) error {
	body, err := c.Text()
	if err != nil {
		return err
	}
	aside := bulk.InSchema(tx, "shadow.", oldOf(r.live)+".")
	if _, err := aside.Exec(ctx, sqlCreateCertificate); err != nil {
		return err
	}
	_, err = aside.Exec(ctx, sqlKeepCertificate, body)
	return err
}

// certify completes a rebuild that has swapped: it drops what stood aside before, and appends the certificate that was written down. Found is false
// when there is none.
func (r *rebuild) certify(ctx context.Context) (result Result, found bool, err error) {
	if err := r.drop(ctx, goneOf(r.live)); err != nil {
		return Result{}, false, err
	}
	aside := oldOf(r.live)
	if err := r.Pool.QueryRow(ctx, sqlRegclass, aside+".certificate").Scan(&found); err != nil || !found {
		return Result{}, false, err
	}
	var body string
	s := &shadow{rebuild: r, schema: aside}
	if err := s.inTx(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, sqlReadCertificate).Scan(&body) }); err != nil {
		return Result{}, true, err
	}
	c, err := ReadCertificate(body)
	if err != nil {
		return Result{}, true, err
	}
	if !c.Summed {
		if r.shapes, err = r.readShapes(ctx, aside); err != nil {
			return Result{}, true, err
		}
		sum, err := r.digest(ctx, aside)
		if err != nil {
			return Result{}, true, err
		}
		c.Digested(sum)
	}
	at, err := r.Certify(ctx, c.Rebuilt)
	if err != nil {
		return Result{}, true, fmt.Errorf("swapped, but not certified yet, run it again: %w", err)
	}
	r.Failpoint("certified")
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sqlDropCertificate)
		return err
	})
	return c.Result(at), true, err
}
