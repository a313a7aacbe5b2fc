package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// answerPage is how many stored answers one query looks at.
const answerPage = 10_000

// One of the command's events has the salted hash of what its caller was told. An answer without a salt shows a row of a person who was erased. What
// was stored without events isn't in the log.
const sqlAnswers = `
SELECT i.tenant, i.subject, i.key, c.last_position,
    CASE WHEN c.commit_id IS NULL THEN true
         WHEN coalesce(i.salt, '') = '' THEN EXISTS (
            SELECT FROM ledger.events e JOIN ledger.streams s USING (tenant, stream) JOIN ledger.erasures r ON r.tenant = s.tenant AND r.subject = s.subject
            WHERE e.position BETWEEN c.first_position AND c.last_position)
         ELSE EXISTS (
            SELECT FROM ledger.events e
            WHERE e.position BETWEEN c.first_position AND c.last_position
              AND position(convert_to('"answerHash":"' || encode(sha256(i.salt || i.body), 'hex') || '"', 'UTF8') IN e.metadata) > 0)
    END
FROM (SELECT * FROM ledger.idempotency WHERE (tenant, subject, key) > ($1, $2, $3) ORDER BY tenant, subject, key LIMIT $4) i
LEFT JOIN ledger.commits c ON c.commit_id = i.commit_id AND c.first_position > 0 AND i.answered_at IS NOT NULL
ORDER BY i.tenant, i.subject, i.key`

// checkAnswers holds each stored answer against the hash of it that stands in the log: who repeats a request is told what was told then.
func (l *ledger) checkAnswers(ctx context.Context, answer *verified) error {
	var at struct{ tenant, subject, key string }
	for n := answerPage; n == answerPage; {
		rows, err := l.pool.Query(ctx, sqlAnswers, at.tenant, at.subject, at.key, answerPage)
		if err != nil {
			return fmt.Errorf("read the stored answers: %w", err)
		}
		n = 0
		var position *int64
		var right bool
		_, err = pgx.ForEachRow(rows, []any{&at.tenant, &at.subject, &at.key, &position, &right}, func() error {
			n++
			switch {
			case position == nil:
			case right:
				answer.Answers++
			case answer.OK:
				answer.OK = false
				answer.Problem = fmt.Sprintf("the stored answer of the command that ends at position %d isn't the one that was hashed there (tenant %s, Idempotency-Key %s)",
					*position, visible(at.tenant), visible(at.key))
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the stored answers: %w", err)
		}
	}
	return nil
}
