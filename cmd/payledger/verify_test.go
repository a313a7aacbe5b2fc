package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/ledgertest"
	"payledger/readmodels"
	"payledger/readmodels/books"
)

// A log whose commits tell of different money is told with the invariant, and ends with 5, though its chain is whole.
func TestVerifyFindsBooksOutOfBalance(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 51)
	id := l.Assess(t, l.Users[0], 500)
	l.Queue(t, payment.Stream("p"), l.Users[0], payment.Captured{
		PaymentID: "p", UserID: l.Users[0], Tender: payment.TenderCash, Amount: ledgertest.USD(t, 100), Credit: ledgertest.USD(t, 0),
	})
	l.Queue(t, fee.Stream(id), l.Users[0], fee.PaymentApplied{PaymentID: "p", AllocationID: "a", Amount: ledgertest.USD(t, 101)})
	l.Flush(t)
	l.Assess(t, l.Users[1], 500)
	head := l.Flush(t)
	pool := l.DB.ProjectorPool(t)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if _, err := books.EnsureSchema(t.Context(), tx); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `INSERT INTO ledger.checkpoints (projection, version, position, hash) VALUES ('books', 1, $1, '\x00')`, head)
		return err
	}))
	key := [32]byte{1} // of ledgertest
	var out, errs bytes.Buffer
	environ := []string{"APP_DATABASE_URL=" + l.DB.AppURL, "VAULT_KEY=" + base64.StdEncoding.EncodeToString(key[:])}
	code := newApp(environ, &out, &errs).execute(t.Context(), []string{"audit", "verify", "--json"})
	require.Equal(t, exitDamaged, code, "%s%s", &out, &errs)
	var answer verified
	require.NoError(t, json.Unmarshal(out.Bytes(), &answer))
	require.False(t, answer.OK)
	require.Nil(t, answer.FirstBadPosition, "the chain is whole")
	require.Contains(t, answer.Problem, "books are out of balance at position 3: I22: commit ")
}

// A stored answer that was changed, or lost its salt though nobody was erased, is told; one that an erasure took the texts of is not.
func TestVerifyHoldsAnswersAgainstTheLog(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	master := [32]byte{3}
	events, vault := catalog.New(), eventstore.OpenVault(db.AppPool(t), master)
	store := storetest.OpenOn(t, db, func(c *eventstore.Config) { c.Folder, c.Keys = commands.Folder{Catalog: events}, vault })
	service, pool := &commands.Service{Store: store, Catalog: events, Vault: vault}, db.AppPool(t)
	usd, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	member, feeID, canceled := uuid.NewString(), uuid.NewString(), readmodels.FeeCanceled
	_, err = service.AssessFee(t.Context(), answered("first"), commands.NewFee{FeeID: feeID, UserID: member, Amount: money.New(200, usd), Note: "annsecret"})
	require.NoError(t, err)
	_, err = service.PatchFee(t.Context(), answered("second"), commands.FeePatch{FeeID: feeID, Status: &canceled})
	require.NoError(t, err)
	_, err = service.PatchFee(t.Context(), answered("no event"), commands.FeePatch{FeeID: feeID, Status: &canceled})
	require.NoError(t, err)
	verify := func() (answer verified, code int) {
		var out, errs bytes.Buffer
		environ := []string{"APP_DATABASE_URL=" + db.AppURL, "VAULT_KEY=" + base64.StdEncoding.EncodeToString(master[:])}
		code = newApp(environ, &out, &errs).execute(t.Context(), []string{"audit", "verify", "--json"})
		require.NoError(t, json.Unmarshal(out.Bytes(), &answer), &errs)
		return answer, code
	}
	answer, code := verify()
	require.Equal(t, exitDone, code, answer.Problem)
	require.EqualValues(t, 2, answer.Answers)
	for _, damage := range []string{
		`UPDATE ledger.idempotency SET body = convert_to(replace(convert_from(body, 'UTF8'), '"canceled"', '"paid"'), 'UTF8') WHERE key = 'second'`,
		`UPDATE ledger.idempotency SET salt = '' WHERE key = 'second'`,
	} {
		var body, salt []byte
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT body, salt FROM ledger.idempotency WHERE key = 'second'`).Scan(&body, &salt))
		_, err := pool.Exec(t.Context(), damage)
		require.NoError(t, err)
		answer, code := verify()
		require.Equal(t, exitDamaged, code)
		require.Contains(t, answer.Problem, "the stored answer of the command that ends at position 2 isn't the one that was hashed there")
		require.Contains(t, answer.Problem, "second")
		_, err = pool.Exec(t.Context(), `UPDATE ledger.idempotency SET body = $1, salt = $2 WHERE key = 'second'`, body, salt)
		require.NoError(t, err)
	}
	_, err = service.ErasePerson(t.Context(), answered("erase"), member, "request", false)
	require.NoError(t, err)
	head, err := eventstore.NewReader(db.AppPool(t)).Head(t.Context())
	require.NoError(t, err)
	_, err = eventstore.EraseAnswers(t.Context(), db.AppPool(t), eventstore.Person{Tenant: "main", Subject: member}, head.Position)
	require.NoError(t, err)
	answer, code = verify()
	require.Equal(t, exitDone, code, answer.Problem)
	require.EqualValues(t, 3, answer.Answers)
}

// A log without its head, or without a key that no erasure destroyed, is told as damage, not as a failure of the question.
func TestVerifyFindsHeadAndKeysGone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ damage, problem string }{
		"head":        {`DELETE FROM ledger.head`, "^the log has no head$"},
		"key":         {`DELETE FROM vault.keys WHERE id = $1`, "^decode event .*: key [0-9a-f-]{36}: key is not in the vault$"},
		"changed key": {`UPDATE vault.keys SET wrapped = '\x00' WHERE id = $1`, "^decode event .*: key [0-9a-f-]{36}: key can't be unwrapped with this VAULT_KEY$"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, 62)
			run := asking(t, l.DB)
			for _, user := range l.Users[:2] { // the vault is opened with the first key
				l.Change(t, l.Assess(t, user, 500), fee.Annotate{Note: "a text", At: l.Now()})
			}
			head := l.Flush(t)
			require.NoError(t, pgx.BeginFunc(t.Context(), l.DB.ProjectorPool(t), func(tx pgx.Tx) error {
				if _, err := books.EnsureSchema(t.Context(), tx); err != nil {
					return err
				}
				_, err := tx.Exec(t.Context(), `INSERT INTO ledger.checkpoints (projection, version, position, hash) VALUES ('books', 1, $1, '\x00')`, head)
				return err
			}))
			super, err := pgx.Connect(t.Context(), l.DB.SuperURL)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, super.Close(context.Background())) })
			var args []any
			if name != "head" {
				var id uuid.UUID
				require.NoError(t, super.QueryRow(t.Context(), `SELECT id FROM vault.keys ORDER BY id DESC LIMIT 1`).Scan(&id))
				args = append(args, id)
			}
			tag, err := super.Exec(t.Context(), c.damage, args...)
			require.NoError(t, err)
			require.EqualValues(t, 1, tag.RowsAffected())

			out, errs, code := run("audit", "verify", "--json")
			require.Equal(t, exitDamaged, code, "%s%s", out, errs)
			var answer verified
			require.NoError(t, json.Unmarshal([]byte(out), &answer), errs)
			require.False(t, answer.OK)
			require.Regexp(t, c.problem, answer.Problem)
			require.Contains(t, errs, "the data is not intact")
		})
	}
}

// Positions that the log doesn't have are a slip, as they are of a republish: nothing is said of the log, neither intact nor damaged.
func TestVerifyRefusesPositionsBeyondTheLog(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 63)
	run := asking(t, l.DB)
	l.Assess(t, l.Users[0], 500)
	head := l.Flush(t)
	for _, beyond := range [][]string{{"--to", strconv.FormatInt(head+1, 10)}, {"--from", strconv.FormatInt(head+2, 10)}} {
		out, errs, code := run(append([]string{"audit", "verify"}, beyond...)...)
		require.Equal(t, exitUsage, code, "%v: %s%s", beyond, out, errs)
		require.Contains(t, errs, "not in a log that ends at "+strconv.FormatInt(head, 10), beyond)
		require.Empty(t, out, beyond)
	}
	_, errs, code := run("audit", "verify", "--to", strconv.FormatInt(head, 10))
	require.Equal(t, exitDone, code, errs)
}

// A log whose tail is cut off so that all of it fits is shorter than what was made from it: verify and doctor say so, and end with 5.
func TestLogThatIsShorterThanItsProjections(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 52)
	l.Assess(t, l.Users[0], 500)
	head := l.Flush(t)
	require.NoError(t, pgx.BeginFunc(t.Context(), l.DB.ProjectorPool(t), func(tx pgx.Tx) error {
		if _, err := books.EnsureSchema(t.Context(), tx); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `INSERT INTO ledger.checkpoints (projection, version, position, hash) VALUES ('books', 1, $1, '\x00')`, head+2)
		return err
	}))
	run := asking(t, l.DB)
	for name, ask := range map[string]func(...string) (string, string, int){"with the key": run, "without, as an auditor": askingWithout(t, l.DB)} {
		out, errs, code := ask("audit", "verify", "--json")
		require.Equal(t, exitDamaged, code, "%s: %s%s", name, out, errs)
		var answer verified
		require.NoError(t, json.Unmarshal([]byte(out), &answer))
		require.False(t, answer.OK, name)
		require.Equal(t, head+1, *answer.FirstBadPosition, name)
		require.Equal(t, "projection books stands at 3: the log ends at 1: the tail is cut off", answer.Problem, name)
	}
	_, err := l.DB.ProjectorPool(t).Exec(t.Context(), `INSERT INTO ledger.cursors (name, position, epoch) VALUES ('db', $1, 1) ON CONFLICT (name) DO UPDATE SET position = excluded.position`, head+3)
	require.NoError(t, err)
	out, _, _ := askingWithout(t, l.DB)("audit", "verify")
	require.Contains(t, out, "publisher cursor db stands at 4: the log ends at 1: the tail is cut off")
	out, errs, code := run("doctor")
	require.Equal(t, exitDamaged, code, "%s%s", out, errs)
	require.Regexp(t, `projection books v1 +FAULT +at 3, beyond the end at 1: the log is shorter than it was`, out)
}
