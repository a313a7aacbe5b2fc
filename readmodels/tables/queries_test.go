package tables_test

import (
	"log/slog"
	"maps"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore"
	"payledger/internal/ledgertest"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/tables"
)

// library is a log and tables that have folded all of it.
type library struct {
	*ledgertest.Log
	queries tables.Queries
	head    int64
	fees    map[string]*readmodels.Fee // by id, folded by the test
	rows    tables.Rows                // the others
}

func newLibrary(t *testing.T, seed uint64, commands int) *library {
	t.Helper()
	l := openLibrary(t, seed)
	l.Random(t, commands)
	l.project(t)
	return l
}

// openLibrary makes one without events, to be projected once.
func openLibrary(t *testing.T, seed uint64) *library {
	t.Helper()
	l := &library{Log: ledgertest.Open(t, seed), fees: make(map[string]*readmodels.Fee)}
	pool := l.DB.AppPool(t)
	l.queries = tables.Queries{Pool: pool, Watcher: checkpoints.NewWatcher(pool, slog.New(slog.DiscardHandler))}
	return l
}

// project writes what the log has come to, as the projection does.
func (l *library) project(t *testing.T) {
	t.Helper()
	events := l.Events(t, 0, 1_000_000)
	l.head = int64(len(events))
	var changes tables.Changes
	states := make(map[eventstore.StreamID]any)
	for _, ev := range events {
		var err error
		states[ev.Stream], err = changes.Fold(states[ev.Stream], ev)
		require.NoError(t, err)
	}
	rows := tables.Rows{
		FeePayments: latest(changes.FeePayments, tables.FeePaymentKey), FeeEvents: latest(changes.FeeEvents, tables.FeeEventKey),
		GatewayPayments:  latest(changes.GatewayPayments, tables.GatewayPaymentKey),
		PaymentCustomers: latest(changes.PaymentCustomers, tables.PaymentCustomerKey),
		PaymentMethods:   latest(changes.PaymentMethods, tables.PaymentMethodKey), Credits: latest(changes.Credits, tables.CreditKey),
	}
	for _, state := range states {
		if s, ok := state.(*readmodels.FeeState); ok {
			l.fees[s.Fee.ID] = s.Fee
		}
	}
	l.rows = rows
	rows.Fees.New = slices.Collect(maps.Values(l.fees))
	err := pgx.BeginFunc(t.Context(), l.DB.ProjectorPool(t), func(tx pgx.Tx) error {
		if _, err := tables.EnsureSchema(t.Context(), tx); err != nil {
			return err
		}
		if err := tables.Write(t.Context(), tx, rows); err != nil {
			return err
		}
		if err := tables.EnsureIndexes(t.Context(), tx); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `INSERT INTO ledger.checkpoints (projection, version, position) VALUES ('tables', $1, $2)`,
			tables.ProjectionVersion, l.head)
		return err
	})
	require.NoError(t, err)
}

// latest returns the rows as they are in the end, each once.
func latest[R any](changes []tables.Change[R], key func(R) tables.Key) tables.Set[R] {
	rows := make(map[tables.Key]R)
	for _, c := range changes {
		rows[key(c.New)] = c.New
	}
	return tables.Set[R]{New: slices.Collect(maps.Values(rows))}
}

func sameRows(t require.TestingT, want, got []*readmodels.Fee) {
	require.Empty(t, gocmp.Diff(want, got, gocmp.Comparer(func(a, b money.Amount) bool { return a == b })))
}

func TestFeeSaysHowFreshItIs(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 14, 60)
	id := l.Fees[0]
	row := l.fees[id]
	res, err := l.queries.Fee(t.Context(), ledgertest.Tenant, id)
	require.NoError(t, err)
	sameRows(t, []*readmodels.Fee{row}, []*readmodels.Fee{res.Row})
	require.Equal(t, tables.FeeResult{Row: res.Row, StreamExists: true, StreamPosition: row.Position, Checkpoint: l.head, Head: l.head}, res)

	l.Change(t, id, fee.Annotate{Note: "seen by nobody yet"})
	fresh := l.Assess(t, l.Users[0], 100)
	head := l.Flush(t)
	res, err = l.queries.Fee(t.Context(), ledgertest.Tenant, fresh)
	require.NoError(t, err)
	require.Equal(t, tables.FeeResult{StreamExists: true, StreamPosition: head, Checkpoint: l.head, Head: head}, res)

	for _, unknown := range []eventstore.StreamID{{Tenant: ledgertest.Tenant, Name: "nobody"}, {Tenant: "other", Name: id}} {
		res, err = l.queries.Fee(t.Context(), unknown.Tenant, unknown.Name)
		require.NoError(t, err)
		require.Equal(t, tables.FeeResult{Checkpoint: l.head, Head: head}, res)
	}
}

func TestOpenFees(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, 15, 300)
	for _, user := range append(l.Users, "nobody") {
		ids, checkpoint, err := l.queries.OpenFees(t.Context(), ledgertest.Tenant, user)
		require.NoError(t, err)
		require.Equal(t, l.head, checkpoint)
		var want []string
		for id, row := range l.fees {
			if row.UserID == user && row.Outstanding().IsPositive() && !row.Cancelled {
				want = append(want, id)
			}
		}
		require.ElementsMatch(t, want, ids)
	}
	ids, _, err := l.queries.OpenFees(t.Context(), "other", l.Users[0])
	require.NoError(t, err)
	require.Empty(t, ids)
}

func TestBeforeTheTablesAreBuilt(t *testing.T) {
	t.Parallel()
	l := ledgertest.Open(t, 16)
	queries := tables.Queries{Pool: l.DB.AppPool(t)}
	_, err := queries.Fee(t.Context(), ledgertest.Tenant, "x")
	require.ErrorIs(t, err, checkpoints.ErrNotBuilt)
	_, err = queries.List(t.Context(), readmodels.ObjectFee, tables.Filter{Tenant: ledgertest.Tenant})
	require.ErrorIs(t, err, checkpoints.ErrNotBuilt)
	_, err = queries.Account(t.Context(), ledgertest.Tenant, "x")
	require.ErrorIs(t, err, checkpoints.ErrNotBuilt)
	ids, checkpoint, err := queries.OpenFees(t.Context(), ledgertest.Tenant, "x")
	require.NoError(t, err)
	require.Empty(t, ids)
	require.Zero(t, checkpoint)
}
