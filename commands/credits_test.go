package commands_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/readmodels"
)

func (d *desk) applyCredit(creditID, feeID string, part money.Amount) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.ApplyCredit(ctx, req, commands.CreditUse{CreditID: creditID, FeeID: feeID, Amount: part})
	}
}

func (d *desk) grant(userID, creditID string, sum money.Amount) useCase {
	return func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.GrantCredit(ctx, req, commands.NewCredit{CreditID: creditID, UserID: userID, Amount: sum, Reason: "goodwill", Note: "sorry"})
	}
}

// credits returns the lots of u1.
func (d *desk) credits() []readmodels.CreditLot {
	d.t.Helper()
	var rows any
	for _, ev := range d.events() {
		if ev.Stream.Name == credit.Stream("u1") {
			next, _, err := readmodels.Fold(rows, ev)
			require.NoError(d.t, err)
			rows = next
		}
	}
	if rows == nil {
		return nil
	}
	return rows.(*readmodels.Credits).Lots
}

// left returns what is left of each lot of u1, in the order of their granting.
func (d *desk) left() []string {
	d.t.Helper()
	var left []string
	for _, lot := range d.credits() {
		left = append(left, lot.Remaining.Number())
	}
	return left
}

func TestGrantCredit(t *testing.T) {
	t.Parallel()
	d := setup(t)
	result := d.do(d.grant("u1", "", usd("5")))
	require.Equal(t, "5", string(result.Answer.Body))
	granted := d.events()[0].Data.(credit.Granted)
	require.Equal(t, credit.SourceGoodwill, granted.Source)
	require.Equal(t, "sorry", granted.Note)
	stored, err := d.log.ReadAll(t.Context(), 0, 1)
	require.NoError(t, err)
	require.NotContains(t, string(stored[0].Data), "sorry", "the note is sealed")

	chosen := newID()
	d.do(d.grant("u1", chosen, usd("6")))
	d.refused(commands.ErrIDInUse, d.grant("u1", chosen, usd("6")))
	d.refused(commands.ErrIDInUse, d.grant("u2", chosen, usd("6")))
	d.refused(commands.ErrIDInUse, d.grant("u1", granted.CreditID, usd("6")))
	d.refused(commands.ErrIDInUse, d.grant("u2", granted.CreditID, usd("6")))
	d.refused(money.ErrNotPositive, d.grant("u1", "", usd("0")))
	d.refused(policy.ErrUnknownReason, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return d.GrantCredit(ctx, req, commands.NewCredit{UserID: "u1", Amount: usd("1"), Reason: "rain"})
	})
	require.Equal(t, []string{"5", "6"}, d.left())
	d.requireSound()
}

func TestApplyCredit(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.do(d.grant("u1", "", usd("3")))
	d.do(d.pay(cash("u1", amount("7", "EUR")))) // for no fee yet
	id, theirs, euro := d.assess("u1", usd("10")), d.assess("u2", usd("10")), d.assess("u1", amount("10", "EUR"))
	d.do(d.grant("u1", "", usd("5")))
	lots := d.credits()

	d.do(d.applyCredit("", id, usd("4")))
	require.Equal(t, []string{"0", "7", "4"}, d.left(), "the oldest first")
	require.Equal(t, []string{"credit.spent", "credit.spent", "fee.credit_applied", "fee.credit_applied"}, d.types(int64(len(d.events())-4)))
	d.do(d.applyCredit(lots[2].ID, id, usd("1")))
	require.Equal(t, balance{"10", "0", "5", "5", readmodels.FeeUnpaid}, d.balance(id))

	d.refused(credit.ErrExceedsCredit, d.applyCredit(lots[2].ID, id, usd("4")))
	d.refused(credit.ErrExceedsCredit, d.applyCredit("", id, usd("4")))
	d.refused(commands.ErrNoCredit, d.applyCredit(lots[0].ID, id, money.Amount{}))
	d.refused(commands.ErrNoCredit, d.applyCredit("", theirs, money.Amount{}))
	d.refused(credit.ErrNotFound, d.applyCredit(lots[2].ID, theirs, usd("1")))
	d.refused(credit.ErrNotFound, d.applyCredit(newID(), id, money.Amount{}))
	d.refused(money.ErrCurrencyMismatch, d.applyCredit(lots[1].ID, id, usd("1")))
	d.refused(money.ErrCurrencyMismatch, d.applyCredit(lots[1].ID, id, money.Amount{}))
	d.refused(money.ErrCurrencyMismatch, d.applyCredit(lots[2].ID, id, amount("1", "EUR")))
	d.refused(money.ErrNotPositive, d.applyCredit(lots[2].ID, id, usd("0")))
	d.refused(commands.ErrFeeNotFound, d.applyCredit(lots[2].ID, newID(), usd("1")))

	d.do(d.applyCredit("", id, money.Amount{}))
	require.Equal(t, balance{"10", "0", "8", "2", readmodels.FeeUnpaid}, d.balance(id), "all that there is")
	d.do(d.grant("u1", "", usd("9")))
	d.do(d.applyCredit(d.credits()[3].ID, id, money.Amount{}))
	require.Equal(t, balance{"10", "0", "10", "0", readmodels.FeePaid}, d.balance(id), "all that is owed")
	d.refused(fee.ErrAlreadySettled, d.applyCredit("", id, usd("1")))
	d.do(d.applyCredit("", euro, money.Amount{}))
	require.Equal(t, []string{"0", "0", "0", "7"}, d.left())
	d.requireSound()
}

// Two desks in two processes spend one credit: it is never spent twice.
func TestTwoFeesRaceForOneCredit(t *testing.T) {
	t.Parallel()
	d := setup(t)
	other := d.second()
	for range 10 {
		a, b := d.assess("u1", usd("10")), d.assess("u1", usd("10"))
		d.do(d.grant("u1", "", usd("10")))
		errs := make(chan error, 2)
		go func() { _, err := d.applyCredit("", a, usd("10"))(t.Context(), d.request()); errs <- err }()
		go func() { _, err := other.applyCredit("", b, usd("10"))(t.Context(), other.request()); errs <- err }()
		first, second := <-errs, <-errs
		if first == nil {
			first, second = second, first
		}
		require.NoError(t, second)
		require.True(t, isOneOf(first, credit.ErrExceedsCredit, commands.ErrNoCredit), "%v", first)
	}
	d.requireSound()
}
