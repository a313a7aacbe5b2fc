package rebuild_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/internal/ledgertest"
	"payledger/projections"
	"payledger/projections/rebuild"
)

// only runs a test for one projection.
func only(t *testing.T, name string, seed uint64, test func(*testing.T, *world)) {
	t.Helper()
	all := projections.All()
	test(t, open(t, seed, all[slices.IndexFunc(all, func(p projections.Postgres) bool { return p.Projection.Name == name })]))
}

// TestDifferencesAreNamed changes the live read model behind the projector's back: the rebuild names each row, and where it and the log part,
// and swaps only when that is accepted.
func TestDifferencesAreNamed(t *testing.T) {
	t.Parallel()
	only(t, "tables", 61, func(t *testing.T, w *world) {
		t.Helper()
		id := w.Assess(t, w.Users[0], 500)
		w.Change(t, id, fee.Annotate{Note: "one", At: w.Now()})
		w.Change(t, id, fee.Waive{ReductionID: id, Amount: ledgertest.USD(t, 100), Reason: "goodwill", At: w.Now()})
		w.Change(t, id, fee.Annotate{Note: "said", At: w.Now()})
		head := w.Flush(t)
		w.reaches(t, head)
		for name, tamper := range map[string]struct {
			sql   string
			table string
			at    int64
			typ   string
		}{
			"the last event is missing": {`UPDATE %s.fees SET note = 'one' WHERE id = $1`, "fees", head, "fee.annotated"},
			"an amount was never so":    {`UPDATE %s.fees SET amount = 7 WHERE id = $1`, "fees", head - 3, "fee.assessed"},
			"the waiver is missing":     {`UPDATE %s.fees SET reduced = 0 WHERE id = $1`, "fees", head - 1, "fee.waived"},
			"a row is missing":          {`DELETE FROM %s.fee_events WHERE fee_id = $1 AND event_type = (SELECT max(event_type) FROM tables_v2.fee_events WHERE fee_id = $1)`, "fee_events", head - 1, "fee.waived"},
			"a row is too many":         {`INSERT INTO %s.fees SELECT tenant, 'made-up', user_id, loan_id, amount, currency, status, status_update_date, reason, note, is_active, record_version, created_at, updated_at, paid, reduced, reserved, cancelled, stream_version, position FROM tables_v2.fees WHERE id = $1`, "fees", 0, ""},
		} {
			w.stop()
			w.exec(t, tamper.sql, id)
			w.project(t)
			var found []rebuild.Difference
			differs := func(c *rebuild.Config) { c.Differs = func(d rebuild.Difference) { found = append(found, d) } }
			before, err := w.p.Digest(t.Context(), w.pool)
			require.NoError(t, err)
			result, err := rebuild.Run(t.Context(), w.config(differs))
			require.ErrorIs(t, err, rebuild.ErrDiffers, name)
			require.False(t, result.Equal)
			require.False(t, result.Swapped)
			require.NotEqual(t, result.Digest, result.LiveDigest)
			require.Equal(t, w.replayed(t, result.Position).String(), result.Digest)
			after, err := w.p.Digest(t.Context(), w.pool)
			require.NoError(t, err)
			require.Equal(t, before.Sum, after.Sum)
			require.Len(t, found, 1, name)
			require.Equal(t, tamper.table, found[0].Table, name)
			require.Equal(t, tamper.at, found[0].Position, name)
			require.Equal(t, tamper.typ, found[0].Type, name)
			if tamper.table == "fees" && tamper.at > 0 {
				require.Equal(t, []string{"main", id}, found[0].Key)
			}
			result, err = rebuild.Run(t.Context(), w.config(differs, func(c *rebuild.Config) { c.AcceptChanges = true }))
			require.NoError(t, err)
			require.True(t, result.Swapped)
			require.False(t, result.Equal)
			all, _ := w.certificates(t)
			certified := all[len(all)-1]
			require.Equal(t, result.RebuildID, certified.RebuildID)
			require.False(t, certified.Equal)
			require.NotEqual(t, certified.Digest, certified.LiveDigest)
			w.reaches(t, head)
			w.whole(t)
		}
		require.False(t, w.exists(t, w.schema+"_part"))
	})
}

// TestLateDifferencesAreFound changes a row after its range was compared, a new one or an old one that the log has changed since.
func TestLateDifferencesAreFound(t *testing.T) {
	t.Parallel()
	only(t, "tables", 62, func(t *testing.T, w *world) {
		t.Helper()
		old := w.Assess(t, w.Users[0], 500)
		w.reaches(t, w.Flush(t))
		for _, late := range []func() string{
			func() string { return w.Assess(t, w.Users[0], 500) },
			func() string {
				w.Change(t, old, fee.Annotate{Note: "late", At: w.Now()})
				return old
			},
		} {
			var told []rebuild.Difference
			cfg := w.config(func(c *rebuild.Config) {
				c.Differs = func(d rebuild.Difference) { told = append(told, d) }
				c.Failpoint = func(point string) {
					if point == "verified" {
						id := late()
						w.reaches(t, w.Flush(t))
						w.exec(t, `UPDATE %s.fees SET amount = 1 WHERE id = $1`, id)
					}
				}
			})
			result, err := rebuild.Run(t.Context(), cfg)
			require.ErrorIs(t, err, rebuild.ErrDiffers)
			require.False(t, result.Swapped)
			require.False(t, w.exists(t, w.schema+"_old"))
			require.Len(t, told, 1)
			cfg.AcceptChanges, cfg.Failpoint = true, nil
			_, err = rebuild.Run(t.Context(), cfg)
			require.NoError(t, err)
			require.NoError(t, rebuild.DropOld(t.Context(), cfg))
		}
	})
}

// TestDifferencesOfBooksAreNamed does the same to the books, whose rows tell the event that makes them, or none.
func TestDifferencesOfBooksAreNamed(t *testing.T) {
	t.Parallel()
	only(t, "books", 64, func(t *testing.T, w *world) {
		t.Helper()
		id := w.Assess(t, w.Users[0], 500)
		head := w.Flush(t)
		w.reaches(t, head)
		for name, tamper := range map[string]struct {
			sql, table string
			arg        any
			at         int64
			late       bool // after all was compared
		}{
			"an amount":        {`UPDATE %s.journal SET amount = 7 WHERE position = $1`, "journal", head, head, false},
			"a row is missing": {`DELETE FROM %s.journal WHERE position = $1`, "journal", head, head, false},
			"an origin":        {`UPDATE %s.origins SET word = 'made up' WHERE key = 'fee-' || $1`, "origins", id, 0, false},
			"a sum":            {`UPDATE %s.turnovers SET amount = amount + 1 WHERE (amount, day) = (SELECT amount, day FROM books_v1.turnovers WHERE fee_type <> $1 LIMIT 1)`, "turnovers", "none", 0, false},
			"a late origin":    {`UPDATE %s.origins SET word = 'made up' WHERE key = 'fee-' || $1`, "origins", "", 0, true},
			"a late amount":    {`UPDATE %s.journal SET amount = 7 WHERE fee_id = $1`, "journal", "", 0, true},
			"a late sum":       {`UPDATE %s.turnovers t SET amount = t.amount + 1 FROM books_v1.journal j WHERE j.fee_id = $1 AND (j.tenant, j.debit, j.credit) = (t.tenant, t.debit, t.credit)`, "turnovers", "", 0, true},
		} {
			var found []rebuild.Difference
			config := w.config(func(c *rebuild.Config) {
				c.Differs = func(d rebuild.Difference) { found = append(found, d) }
				c.Failpoint = func(point string) {
					if point != "verified" || !tamper.late {
						return
					}
					if tamper.arg == "" {
						tamper.arg = w.Assess(t, w.Users[0], 500)
						tamper.at = w.Flush(t)
						w.reaches(t, tamper.at)
					}
					w.exec(t, tamper.sql, tamper.arg)
				}
			})
			if !tamper.late {
				w.stop()
				w.exec(t, tamper.sql, tamper.arg)
				w.project(t)
			}
			result, err := rebuild.Run(t.Context(), config)
			require.ErrorIs(t, err, rebuild.ErrDiffers, name)
			require.False(t, result.Swapped, name)
			require.NotEmpty(t, found, name)
			require.Equal(t, tamper.table, found[0].Table, name)
			if tamper.table == "journal" {
				require.Equal(t, []string{"main", strconv.FormatInt(tamper.at, 10)}, found[0].Key, name)
				require.Equal(t, tamper.at, found[0].Position, name)
				require.Equal(t, "fee.assessed", found[0].Type, name)
			}
			config.AcceptChanges, config.Failpoint = true, nil
			_, err = rebuild.Run(t.Context(), config)
			require.NoError(t, err, name)
			w.whole(t)
		}
	})
}

// TestDigestsAreThoseOfVerify: a rebuild and `audit verify` sum up in one way.
func TestDigestsAreThoseOfVerify(t *testing.T) {
	t.Parallel()
	each(t, 63, func(t *testing.T, w *world) {
		t.Helper()
		w.stop()
		stored, err := w.p.Digest(t.Context(), w.pool)
		require.NoError(t, err)
		result, err := rebuild.Run(t.Context(), w.config())
		require.NoError(t, err)
		require.Equal(t, stored.Sum.String(), result.Digest)
	})
}

// TestDigestsOfChangesAreOfAState: where two differ and events came while they were compared, the certificate has the digest of what was live when it
// was swapped, and none of what was built, which goes on.
func TestDigestsOfChangesAreOfAState(t *testing.T) {
	t.Parallel()
	each(t, 65, func(t *testing.T, w *world) {
		t.Helper()
		w.Assess(t, w.Users[0], 500)
		w.reaches(t, w.Flush(t))
		changed := map[string]string{
			"tables": `UPDATE %s.fees SET amount = 7`, "documents": `UPDATE %s.documents SET body = '{}'`, "books": `UPDATE %s.journal SET amount = 7`,
		}[w.p.Projection.Name]
		w.exec(t, changed)
		result, err := rebuild.Run(t.Context(), w.config(func(c *rebuild.Config) {
			c.AcceptChanges = true
			c.Failpoint = func(point string) {
				if point == "verified" {
					w.Assess(t, w.Users[0], 500)
					w.reaches(t, w.Flush(t))
				}
			}
		}))
		require.NoError(t, err)
		require.True(t, result.Swapped)
		require.False(t, result.Equal)
		require.Empty(t, result.Digest)
		_, err = rebuild.RollBack(t.Context(), w.config())
		require.NoError(t, err)
		was, err := w.p.Digest(t.Context(), w.pool)
		require.NoError(t, err)
		require.Equal(t, was.Sum.String(), result.LiveDigest)
		all, _ := w.certificates(t)
		require.Equal(t, []string{"", result.LiveDigest}, []string{all[len(all)-1].Digest, all[len(all)-1].LiveDigest})
	})
}
