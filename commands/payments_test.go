package commands_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/readmodels"
)

func TestRecordPayment(t *testing.T) {
	t.Parallel()
	d := setup(t)
	a, b := d.assess("u1", usd("12.50")), d.assess("u1", usd("5"))
	p := cash("u1", usd("20"), share(b, usd("5")), share(a, usd("10")))
	p.Note = "in coins"
	req := d.request()
	result, err := d.RecordPayment(t.Context(), req, p)
	require.NoError(t, err)
	require.Equal(t, []string{"payment.captured", "fee.payment_applied", "fee.payment_applied", "credit.granted"}, d.types(2))
	require.Equal(t, int64(6), result.Last)

	answer := readPayment(t, result)
	require.Equal(t, map[string]string{a: "10", b: "5"}, answer.shares())
	require.Equal(t, "5", answer.Credit.String())
	captured := d.events()[2].Data.(payment.Captured)
	require.Equal(t, answer.ID, captured.PaymentID)
	require.Equal(t, "desk-1", captured.HandledBy)
	require.Equal(t, "in coins", captured.Note)
	require.Equal(t, readmodels.FeeUnpaid, d.row(a).Status)
	require.Equal(t, "2.5", d.row(a).Outstanding().Number())
	require.Equal(t, readmodels.FeePaid, d.row(b).Status)
	ids := map[uuid.UUID]bool{}
	for _, ev := range d.events()[2:] {
		require.Equal(t, req.CommandID, ev.CommitID)
		ids[ev.ID] = true
	}
	require.Len(t, ids, 4)
	d.requireSound()
}

func TestRecordPaymentRefusals(t *testing.T) {
	t.Parallel()
	d := setup(t)
	open, cancelled, paid := d.assess("u1", usd("10")), d.assess("u1", usd("10")), d.assess("u1", usd("10"))
	theirs, euro := d.assess("u2", usd("10")), d.assess("u1", amount("10", "EUR"))
	for id, to := range map[string]readmodels.FeeStatus{cancelled: readmodels.FeeCanceled, paid: readmodels.FeePaid} {
		_, err := d.PatchFee(t.Context(), d.request(), commands.FeePatch{FeeID: id, Status: new(to)})
		require.NoError(t, err)
	}
	used := cash("u1", usd("1"), share(open, usd("1")))
	used.PaymentID = newID()
	_, err := d.RecordPayment(t.Context(), d.request(), used)
	require.NoError(t, err)
	head := len(d.events())

	barter := cash("u1", usd("1"))
	barter.Tender = "goods"
	cases := map[string]struct {
		when commands.NewPayment
		want error
	}{
		"an id in use":          {used, commands.ErrIDInUse},
		"no such fee":           {cash("u1", usd("1"), share(newID(), usd("1"))), commands.ErrFeeNotFound},
		"another user's fee":    {cash("u1", usd("2"), share(open, usd("1")), share(theirs, usd("1"))), commands.ErrOtherUsersFee},
		"a cancelled fee":       {cash("u1", usd("1"), share(cancelled, usd("1"))), fee.ErrCancelled},
		"a settled fee":         {cash("u1", usd("1"), share(paid, usd("1"))), fee.ErrAlreadySettled},
		"more than is owed":     {cash("u1", usd("10"), share(open, usd("9.01"))), fee.ErrExceedsOutstanding},
		"more than was paid":    {cash("u1", usd("1"), share(open, usd("2"))), payment.ErrOverAllocated},
		"a fee twice":           {cash("u1", usd("2"), share(open, usd("1")), share(open, usd("1"))), payment.ErrDuplicateFee},
		"a share of nothing":    {cash("u1", usd("1"), share(open, usd("0"))), money.ErrNotPositive},
		"nothing":               {cash("u1", usd("0")), money.ErrNotPositive},
		"another currency":      {cash("u1", usd("1"), share(euro, amount("1", "EUR"))), money.ErrCurrencyMismatch},
		"fee's other currency":  {cash("u1", usd("1"), share(euro, usd("1"))), money.ErrCurrencyMismatch},
		"no tender of ours":     {barter, payment.ErrUnknownTender},
		"shares that overflow":  {cash("u1", usd("1"), share(open, usd("9999999999999.99")), share(paid, usd("1"))), fee.ErrAlreadySettled},
		"shares that overflow2": {cash("u1", usd("1"), share(open, usd("9999999999999.99")), share(open, usd("1"))), payment.ErrOverAllocated},
	}
	for name, c := range cases {
		_, err := d.RecordPayment(t.Context(), d.request(), c.when)
		require.ErrorIs(t, err, c.want, name)
	}
	require.Len(t, d.events(), head)
	d.requireSound()
}

func TestOldestFeeFirst(t *testing.T) {
	t.Parallel()
	d := setup(t)
	second, third := d.assess("u1", usd("10")), d.assess("u1", usd("10"))
	oldest := commands.NewFee{FeeID: newID(), UserID: "u1", Amount: usd("3")}
	_, err := d.AssessFee(t.Context(), d.request(at(start().AddDate(0, -1, 0))), oldest)
	require.NoError(t, err)
	euro, theirs := d.assess("u1", amount("1", "EUR")), d.assess("u2", usd("1"))
	cancelled := d.assess("u1", usd("1"))
	_, err = d.PatchFee(t.Context(), d.request(), commands.FeePatch{FeeID: cancelled, Status: new(readmodels.FeeCanceled)})
	require.NoError(t, err)

	// The read model knows all of it, and one fee that was cancelled since.
	d.OpenFees = tablesAt{ids: []string{third, cancelled, euro, oldest.FeeID, second}, checkpoint: int64(len(d.events()))}
	result, err := d.RecordPayment(t.Context(), d.request(), cash("u1", usd("14")))
	require.NoError(t, err)
	require.Equal(t, map[string]string{oldest.FeeID: "3", second: "10", third: "1"}, readPayment(t, result).shares())
	require.Equal(t, "0", readPayment(t, result).Credit.String())

	result, err = d.RecordPayment(t.Context(), d.request(), cash("u1", usd("14")))
	require.NoError(t, err)
	require.Equal(t, map[string]string{third: "9"}, readPayment(t, result).shares())
	require.Equal(t, "5", readPayment(t, result).Credit.String())

	result, err = d.RecordPayment(t.Context(), d.request(), cash("u1", amount("1", "EUR")))
	require.NoError(t, err)
	require.Equal(t, map[string]string{euro: "1"}, readPayment(t, result).shares())
	require.Equal(t, readmodels.FeeUnpaid, d.row(theirs).Status)
	d.requireSound()
}

// A fee that the read model has not seen yet is paid all the same, in its place by age.
func TestOldestFeeFirstSeesWhatTablesHaveNot(t *testing.T) {
	t.Parallel()
	d := setup(t)
	known := d.assess("u1", usd("10"))
	d.OpenFees = tablesAt{ids: []string{known}, checkpoint: 1}
	older := commands.NewFee{FeeID: newID(), UserID: "u1", Amount: usd("4")}
	_, err := d.second().AssessFee(t.Context(), d.request(at(start().AddDate(0, -1, 0))), older)
	require.NoError(t, err)
	result, err := d.RecordPayment(t.Context(), d.request(), cash("u1", usd("5")))
	require.NoError(t, err)
	require.Equal(t, map[string]string{older.FeeID: "4", known: "1"}, readPayment(t, result).shares())
	d.requireSound()
}

// A fee that was deleted while the read model still lists it is passed over.
func TestOldestFeeFirstPassesOverTheDeleted(t *testing.T) {
	t.Parallel()
	d := setup(t)
	deleted, open := d.assess("u1", usd("10")), d.assess("u1", usd("10"))
	d.OpenFees = tablesAt{ids: []string{deleted, open}, checkpoint: int64(len(d.events()))}
	d.do(d.deleteFee(deleted))
	require.Equal(t, map[string]string{open: "5"}, readPayment(t, d.do(d.pay(cash("u1", usd("5"))))).shares())
	d.refused(commands.ErrFeeNotFound, d.pay(cash("u1", usd("5"), share(deleted, usd("5")))))
	d.requireSound()
}

func TestMoneyWithoutAFeeIsACredit(t *testing.T) {
	t.Parallel()
	d := setup(t)
	for _, taken := range []string{"7", "8"} { // the second finds a credit stream that is there already
		result, err := d.RecordPayment(t.Context(), d.request(), cash("u1", usd(taken)))
		require.NoError(t, err)
		require.Equal(t, taken, readPayment(t, result).Credit.String())
	}
	result, err := d.second().RecordPayment(t.Context(), d.request(), cash("u1", usd("9")))
	require.NoError(t, err)
	require.Equal(t, "9", readPayment(t, result).Credit.String())
	require.Len(t, d.requireSound().granted, 3)
}

// Two desks in two processes take money for one fee: it is never paid twice.
func TestTwoPaymentsRaceForOneFee(t *testing.T) {
	t.Parallel()
	d := setup(t)
	other := d.second()
	for range 10 {
		id := d.assess("u1", usd("10"))
		errs := make(chan error, 2)
		for _, desk := range []*desk{d, other} {
			go func() {
				_, err := desk.RecordPayment(t.Context(), desk.request(), cash("u1", usd("10"), share(id, usd("10"))))
				errs <- err
			}()
		}
		first, second := <-errs, <-errs
		if first == nil {
			first, second = second, first
		}
		require.NoError(t, second)
		require.ErrorIs(t, first, fee.ErrAlreadySettled)
		require.Equal(t, "10", d.row(id).Paid.Number())
	}
	d.requireSound()
}

// The same without named shares: whoever comes second has a credit.
func TestTwoPaymentsRaceForTheOldestFee(t *testing.T) {
	t.Parallel()
	d := setup(t)
	other := d.second()
	for range 10 {
		head := int64(len(d.events()))
		id := d.assess("u1", usd("10"))
		results := make(chan eventstore.Result, 2)
		for _, desk := range []*desk{d, other} {
			desk.OpenFees = tablesAt{checkpoint: head}
			go func() {
				result, err := desk.RecordPayment(t.Context(), desk.request(), cash("u1", usd("6")))
				if err != nil {
					t.Error(err)
				}
				results <- result
			}()
		}
		credits := []string{readPayment(t, <-results).Credit.String(), readPayment(t, <-results).Credit.String()}
		require.ElementsMatch(t, []string{"0", "2"}, credits)
		require.Equal(t, readmodels.FeePaid, d.row(id).Status)
	}
	d.requireSound()
}

// Everything at once from two processes on a few fees of two people. Refused is only what a rule forbids, and the books agree.
func TestManyCommandsAtOnce(t *testing.T) {
	t.Parallel()
	d := setup(t)
	other := d.second()
	users := []string{"u1", "u2"}
	var fees [2][]string
	for i, user := range users {
		for range 4 {
			fees[i] = append(fees[i], d.assess(user, usd("9")))
		}
	}
	var wg sync.WaitGroup
	for i := range 12 {
		desk := []*desk{d, other}[i%2]
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for range 12 {
				if err := desk.anything(rng, users, fees); !allowed(err) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	books := d.requireSound()
	for id, row := range books.fees {
		require.Equal(t, string(row.AppendJSON(nil, false)), string(d.row(id).AppendJSON(nil, false)))
	}
}

func (d *desk) anything(rng *rand.Rand, users []string, fees [2][]string) error {
	ctx, u := d.t.Context(), rng.IntN(2)
	id := fees[u][rng.IntN(4)]
	taken := usd(strconv.Itoa(1 + rng.IntN(5)))
	var err error
	switch rng.IntN(14) {
	case 6:
		_, err = d.adjust(id, []fee.Direction{fee.DirectionIncrease, fee.DirectionDecrease}[rng.IntN(2)], taken)(ctx, d.request())
	case 7:
		_, err = d.writeOff(id, taken)(ctx, d.request())
	case 8:
		_, err = d.applyCredit("", id, money.Amount{})(ctx, d.request())
	case 9:
		_, err = d.grant(users[u], "", taken)(ctx, d.request())
	case 10, 11:
		err = d.aPayment(rng, func(p *readmodels.Payment) error {
			_, err := d.void(p.ID)(ctx, d.request())
			return err
		})
	case 12:
		p := feePayment(id, taken, readmodels.PaymentPending)
		p.UserID = users[u]
		_, err = d.createFeePayment(p)(ctx, d.request())
	case 13:
		err = d.aPayment(rng, func(p *readmodels.Payment) error {
			if len(p.Rows) == 0 {
				return nil
			}
			to := []readmodels.PaymentStatus{readmodels.PaymentComplete, readmodels.PaymentComplete, readmodels.PaymentFailed}[rng.IntN(3)]
			_, err := d.setPayment(p.Rows[rng.IntN(len(p.Rows))].ID, to)(ctx, d.request())
			return err
		})
	case 0:
		_, err = d.AssessFee(ctx, d.request(), commands.NewFee{UserID: users[u], Amount: taken, Note: "note"})
	case 1:
		_, err = d.PatchFee(ctx, d.request(), commands.FeePatch{FeeID: id, Note: fmt.Sprint("note ", rng.IntN(3))})
	case 2:
		to := []readmodels.FeeStatus{readmodels.FeePaid, readmodels.FeeWaived, readmodels.FeeCanceled}[rng.IntN(3)]
		_, err = d.PatchFee(ctx, d.request(), commands.FeePatch{FeeID: id, Status: &to})
	case 3:
		_, err = d.RecordPayment(ctx, d.request(claim(strconv.Itoa(rng.IntN(9)))), cash(users[u], taken, share(id, taken)))
	case 4:
		_, err = d.RecordPayment(ctx, d.request(), cash(users[u], taken, share(id, usd("1"))))
	default:
		_, err = d.RecordPayment(ctx, d.request(), cash(users[u], taken))
	}
	return err
}

// allowed reports whether a command was carried out, or refused by a rule and not for a race.
func allowed(err error) bool {
	return err == nil || isOneOf(err, fee.ErrAlreadySettled, fee.ErrCancelled, fee.ErrExceedsOutstanding, fee.ErrMoneyApplied, fee.ErrReserved, fee.ErrExceedsGross,
		payment.ErrNotCaptured, credit.ErrSpent, commands.ErrNoCredit, commands.ErrStatusNotSettable, commands.ErrPaysOthers)
}

// aPayment does something with one of the payments of the log.
func (d *desk) aPayment(rng *rand.Rand, do func(*readmodels.Payment) error) error {
	payments, names := map[string]*readmodels.Payment{}, []string{}
	for _, ev := range d.events() {
		if _, ok := ev.Data.(payment.Event); ok {
			next, _, err := readmodels.FoldPayment(payments[ev.Stream.Name], ev)
			if err != nil {
				return err
			}
			if payments[ev.Stream.Name] == nil {
				names = append(names, ev.Stream.Name)
			}
			payments[ev.Stream.Name] = next
		}
	}
	if len(names) == 0 {
		return nil
	}
	return do(payments[names[rng.IntN(len(names))]])
}
