package eventstore

// A statement is one of the writer's prepared statements.
type statement int

const (
	stmtBegin statement = iota
	stmtLock
	stmtLockFree
	stmtClock
	stmtVersions
	stmtWatched
	stmtCommits
	stmtClaims
	stmtKeys
	stmtNews
	stmtExpectVersions
	stmtExpectWatched
	stmtExpectKeys
	stmtExpectNoCommits
	stmtExpectNoClaims
	stmtInsertEvents
	stmtInsertStreams
	stmtUpdateStreams
	stmtInsertCommits
	stmtInsertClaims
	stmtAnswerClaims
	stmtInsertRoutes
	stmtErase
	stmtUpdateHead
	stmtFence
	stmtCommit
	stmtRollback
	statementCount
)

// sqlStatements returns the text of every statement. All arguments are arrays, one element for each row, but for a few that
// hold for the whole batch; so a batch of any size takes the same few round trips.
func sqlStatements() [statementCount]string {
	return [statementCount]string{
		stmtBegin:           "BEGIN ISOLATION LEVEL READ COMMITTED",
		stmtLock:            sqlLock,
		stmtLockFree:        sqlLockFree,
		stmtClock:           "SELECT clock_timestamp()",
		stmtVersions:        sqlVersions,
		stmtWatched:         sqlWatched,
		stmtCommits:         sqlCommits,
		stmtClaims:          sqlClaims,
		stmtKeys:            sqlKeys,
		stmtNews:            sqlNews,
		stmtExpectVersions:  sqlExpectVersions,
		stmtExpectWatched:   sqlExpectWatched,
		stmtExpectKeys:      sqlExpectKeys,
		stmtExpectNoCommits: "SELECT ledger.expect_rows((SELECT count(*) FROM (" + sqlCommits + ") found), 0)",
		stmtExpectNoClaims:  "SELECT ledger.expect_rows((SELECT count(*) FROM (" + sqlClaims + ") found), 0)",
		stmtInsertEvents:    sqlInsertEvents,
		stmtInsertStreams:   sqlInsertStreams,
		stmtUpdateStreams:   sqlUpdateStreams,
		stmtInsertCommits:   sqlInsertCommits,
		stmtInsertClaims:    sqlInsertClaims,
		stmtAnswerClaims:    sqlAnswerClaims,
		stmtInsertRoutes:    sqlInsertRoutes,
		stmtErase:           "SELECT ledger.erase_person($1, $2, $3)",
		stmtUpdateHead:      sqlUpdateHead,
		stmtFence:           "UPDATE ledger.head SET recorded_at = $1",
		stmtCommit:          "COMMIT",
		stmtRollback:        "ROLLBACK",
	}
}

// The lock is a statement of its own: read together with versions, the new head can come with an old version.
const sqlLock = `SELECT position, epoch, hash, route, recorded_at, erased FROM ledger.head FOR UPDATE`

// Who finds the head locked, or elsewhere, breaks off. recorded_at moves on when it is told that a commit isn't there: see batch.fence.
const sqlLockFree = `
SELECT ledger.expect_rows((SELECT count(*) FROM (
    SELECT FROM ledger.head WHERE position = $1 AND epoch = $2 AND hash = $3 AND route = $4 AND recorded_at = $5 FOR UPDATE SKIP LOCKED
) free), 1)`

const sqlVersions = `
SELECT w.n, s.version, s.position, s.subject
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (tenant, stream, n)
JOIN ledger.streams s ON s.tenant = w.tenant AND s.stream = w.stream`

// starts_with instead of LIKE: a prefix may hold any character.
const sqlWatched = `
SELECT w.n, s.stream, s.version, s.position, s.subject
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY AS w (tenant, subject, prefix, after, n)
JOIN ledger.streams s ON s.tenant = w.tenant AND s.subject = w.subject AND s.subject <> '' AND s.position > w.after
WHERE starts_with(s.stream, w.prefix)`

const sqlCommits = `
SELECT c.commit_id, c.first_position, c.last_position, c.head
FROM unnest($1::uuid[]) AS w (commit_id)
JOIN ledger.commits c ON c.commit_id = w.commit_id`

const sqlClaims = `
SELECT i.tenant, i.subject, i.key, i.fingerprint, i.commit_id, i.answered_at IS NOT NULL, i.status, i.etag, i.body, i.salt,
       i.position, c.first_position, c.last_position
FROM unnest($1::text[], $2::text[], $3::text[]) AS w (tenant, subject, key)
JOIN ledger.idempotency i ON i.tenant = w.tenant AND i.subject = w.subject AND i.key = w.key
LEFT JOIN ledger.commits c ON c.commit_id = i.commit_id`

const sqlKeys = `
SELECT k.id, k.destroyed_at IS NULL
FROM unnest($1::uuid[]) AS w (id)
JOIN vault.keys k ON k.id = w.id`

// A stream that has no news still gives one row: its version, position and subject.
const sqlNews = `
SELECT w.n, s.version, s.position, s.subject, e.*
FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS w (tenant, stream, after, n)
JOIN ledger.streams s ON s.tenant = w.tenant AND s.stream = w.stream
LEFT JOIN LATERAL (
    SELECT ` + eventColumns + ` FROM ledger.events
    WHERE events.tenant = w.tenant AND events.stream = w.stream AND events.version > w.after
) e ON true
ORDER BY w.n, e.version`

// The version of a stream that isn't there is 0.
const sqlExpectVersions = `
SELECT ledger.expect_rows((
    SELECT count(*) FROM unnest($1::text[], $2::text[], $3::bigint[]) AS w (tenant, stream, version)
    LEFT JOIN ledger.streams s ON s.tenant = w.tenant AND s.stream = w.stream
    WHERE coalesce(s.version, 0) <> w.version
), 0)`

// What a watch finds never becomes less: as many are the same.
const sqlExpectWatched = `SELECT ledger.expect_rows((SELECT count(*) FROM (` + sqlWatched + `) found), $5)`

const sqlExpectKeys = `
SELECT ledger.expect_rows((
    SELECT count(*) FROM unnest($1::uuid[]) AS w (id)
    LEFT JOIN vault.keys k ON k.id = w.id
    WHERE k.id IS NULL OR k.destroyed_at IS NOT NULL
), 0)`

const sqlInsertEvents = `
INSERT INTO ledger.events (position, epoch, id, commit_id, tenant, stream, version, type, schema, data, metadata, effective_at,
                           recorded_at, hash)
SELECT u.position, $13::bigint, u.id, u.commit_id, u.tenant, u.stream, u.version, u.type, u.schema, u.data, u.metadata, u.effective_at,
       $14::timestamptz, u.hash
FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::integer[], $9::bytea[],
            $10::bytea[], $11::timestamptz[], $12::bytea[])
     AS u (position, id, commit_id, tenant, stream, version, type, schema, data, metadata, effective_at, hash)`

const sqlInsertStreams = `
INSERT INTO ledger.streams (tenant, stream, version, position, subject)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[])`

// The expected versions are named and every row must be hit: a second fence behind the lock on head.
const sqlUpdateStreams = `
WITH hit AS (
    UPDATE ledger.streams s SET version = u.version, position = u.position
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) AS u (tenant, stream, expected, version, position)
    WHERE s.tenant = u.tenant AND s.stream = u.stream AND s.version = u.expected
    RETURNING 1
)
SELECT ledger.expect_rows((SELECT count(*) FROM hit), $6)`

const sqlInsertCommits = `
INSERT INTO ledger.commits (commit_id, first_position, last_position, head)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[])`

const sqlInsertClaims = `
INSERT INTO ledger.idempotency (tenant, subject, key, fingerprint, commit_id, claimed_at, answered_at, status, etag, body, salt, position)
SELECT u.tenant, u.subject, u.key, u.fingerprint, u.commit_id, $11::timestamptz, CASE WHEN u.status IS NOT NULL THEN $11::timestamptz END, u.status, u.etag,
       u.body, u.salt, u.position
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::integer[], $7::text[], $8::bytea[], $9::bytea[], $10::bigint[])
     AS u (tenant, subject, key, fingerprint, commit_id, status, etag, body, salt, position)`

const sqlAnswerClaims = `
WITH hit AS (
    UPDATE ledger.idempotency i
    SET answered_at = $9::timestamptz, status = u.status, etag = u.etag, body = u.body, salt = u.salt, position = u.position
    FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::bytea[], $7::bytea[], $8::bigint[])
         AS u (tenant, subject, key, status, etag, body, salt, position)
    WHERE i.tenant = u.tenant AND i.subject = u.subject AND i.key = u.key AND i.answered_at IS NULL
    RETURNING 1
)
SELECT ledger.expect_rows((SELECT count(*) FROM hit), $10)`

const sqlInsertRoutes = `
INSERT INTO ledger.route_events (number, commit_id, topic, key, headers, body, recorded_at)
SELECT u.number, u.commit_id, u.topic, u.key, u.headers::json, u.body, $7::timestamptz
FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bytea[]) AS u (number, commit_id, topic, key, headers, body)`

// One NOTIFY for a batch; in every commit it would halve the rate. It says how far the log reaches, for how many microseconds the
// batch's oldest commit had been under way, and how many commits are under way in the writer's process: see Waker.
const sqlUpdateHead = `
WITH hit AS (
    UPDATE ledger.head SET position = $1, hash = $2, route = $3, recorded_at = $4 WHERE position = $5 AND route = $6
    RETURNING position
)
SELECT ledger.expect_rows((SELECT count(*) FROM hit), 1), pg_notify('ledger', concat_ws(' ', $1::bigint, $7::bigint, $8::bigint)), clock_timestamp()`
