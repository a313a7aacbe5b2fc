package eventstore

import (
	"bytes"
	"fmt"

	"github.com/google/uuid"
)

// claimKey is the identity of an idempotency key.
type claimKey struct {
	tenant, subject, key string
}

func (c *Claim) identity() claimKey { return claimKey{c.Tenant, c.Subject, c.Key} }

// claimed is a stored idempotency record.
type claimed struct {
	key         claimKey
	fingerprint [32]byte
	commit      uuid.UUID // that made the claim
	answered    bool
	result      Result
}

// readClaim decodes a row of sqlClaims.
func readClaim(row [][]byte) claimed {
	c := claimed{
		key:      claimKey{string(row[0]), string(row[1]), string(row[2])},
		commit:   readUUID(row[4]),
		answered: row[5][0] != 0,
	}
	copy(c.fingerprint[:], row[3])
	if !c.answered {
		return c
	}
	c.result = Result{Replayed: true, Answer: Answer{
		Status: int(readInt32(row[6])), ETag: string(row[7]), Body: bytes.Clone(row[8]), Salt: bytes.Clone(row[9]),
	}}
	c.result.Head = readInt64(row[10])
	if row[11] != nil {
		c.result.First, c.result.Last = readInt64(row[11]), readInt64(row[12])
	}
	return c
}

// replay returns the first answer for another commit with the same claim.
func (c *claimed) replay(claim Claim) (Result, error) {
	switch {
	case c.fingerprint != claim.Fingerprint:
		return Result{}, fmt.Errorf("idempotency key %q: %w", claim.Key, ErrFingerprint)
	case !c.answered:
		return Result{}, fmt.Errorf("idempotency key %q: %w", claim.Key, ErrClaimRunning)
	}
	result := c.result
	result.Replayed = true
	return result, nil
}

// held says whether claim is held, unanswered, by the commit that it names: then this commit may answer it.
func (c *claimed) held(claim Claim) bool {
	return !c.answered && claim.Holder != uuid.Nil && c.commit == claim.Holder && c.fingerprint == claim.Fingerprint
}
