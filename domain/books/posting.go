package books

import (
	"errors"
	"fmt"
	"strings"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
)

// ErrUnknownOrigin reports an event about a fee, reduction, payment or credit that no
// earlier event of the log tells of. The log is damaged.
var ErrUnknownOrigin = errors.New("nothing is known of what the event is about")

// Posting is an amount that one event moves from one account to another, as the accrual
// profile has it. The ids are empty where it is about no such thing.
type Posting struct {
	Debit, Credit Account
	Amount        money.Amount // more than zero
	FeeType       FeeType      // of the fee
	UserID        string
	FeeID         string
	PaymentID     string
	CreditID      string
}

// Line is one side of an entry: of Debit and Credit, in minor units, one is zero.
type Line struct {
	Account       Account
	FeeType       FeeType // of Revenue, empty for the other accounts
	Debit, Credit int64
}

// Lines returns the entry of a posting in a profile: the sum of its debits is that of
// its credits. In the cash profile a fee is revenue once it is paid: until then what is
// charged stands on Uncollected, which what is forgiven or falls away is taken off; so
// what is paid after a write-off is revenue as well. It is linear: lines of a sum are the sums of lines.
func (p Posting) Lines(profile policy.Profile) []Line {
	if profile != policy.ProfileCash {
		return pair(p.Debit, p.Credit, p.FeeType, p.Amount.Minor())
	}
	lines := pair(collected(p.Debit), collected(p.Credit), p.FeeType, p.Amount.Minor())
	switch {
	case p.Debit == Unallotted && p.Credit == Receivables:
		lines = append(lines, pair(Uncollected, Revenue, p.FeeType, p.Amount.Minor())...)
	case p.Debit == Receivables && p.Credit == Unallotted:
		lines = append(lines, pair(Revenue, Uncollected, p.FeeType, p.Amount.Minor())...)
	}
	return lines
}

func pair(debit, credit Account, feeType FeeType, minor int64) []Line {
	lines := []Line{{Account: debit, Debit: minor}, {Account: credit, Credit: minor}}
	for i := range lines {
		if lines[i].Account == Revenue {
			lines[i].FeeType = feeType
		}
	}
	return lines
}

// collected returns where the cash profile has what the accrual profile has on an
// account before any money came.
func collected(a Account) Account {
	switch a {
	case Revenue, Waivers, BadDebt, Recoveries:
		return Uncollected
	default:
		return a
	}
}

// Origin is what the postings of later events need and those events don't say.
type Origin struct {
	UserID string
	// Word is the type of a fee, the tender of a payment, what a reduction is (waived,
	// writtenOff), the payment of a credit (empty for goodwill).
	Word string
}

// The words of reductions.
const (
	waived     = "waived"
	writtenOff = "writtenOff"
)

// Begins returns what an event is the origin of, under a key that is unique within the
// tenant; ok is false for an event that nothing begins with.
func Begins(stream string, event any) (key string, o Origin, ok bool) {
	switch e := event.(type) {
	case fee.Assessed:
		return stream, Origin{e.UserID, string(TypeOf(e.Reason))}, true
	case fee.Waived:
		return part(stream, e.ReductionID), Origin{Word: waived}, true
	case fee.WrittenOff:
		return part(stream, e.ReductionID), Origin{Word: writtenOff}, true
	case payment.Captured:
		return stream, Origin{e.UserID, string(e.Tender)}, true
	case credit.Granted:
		return part(stream, e.CreditID), Origin{e.UserID, e.PaymentID}, true
	}
	return "", Origin{}, false
}

func part(stream, id string) string { return stream + "/" + id }

// Needs returns the keys of the origins that Post will look for.
func Needs(stream string, event any) []string {
	var keys []string
	_, _, _ = Post(stream, event, func(key string) (Origin, bool) { // it can't fail: all is found
		keys = append(keys, key)
		return Origin{}, true
	})
	return keys
}

// Post returns what an event posts; ok is false for one that moves no money. find is
// asked for what earlier events began; ErrUnknownOrigin: it didn't know.
func Post(stream string, event any, find func(key string) (Origin, bool)) (p Posting, ok bool, err error) {
	ask := func(key string) Origin {
		o, found := find(key)
		if !found && err == nil {
			err = fmt.Errorf("%w: %s", ErrUnknownOrigin, key)
		}
		return o
	}
	switch e := event.(type) {
	case fee.Event:
		p = postFee(stream, e, ask)
	case payment.Event:
		p = postPayment(stream, e, ask)
	case credit.Event:
		p = postCredit(stream, e, ask)
	}
	return p, p.Amount.IsPositive(), err
}

func postFee(stream string, event fee.Event, ask func(string) Origin) Posting {
	reduction := func(id string) Account {
		if ask(part(stream, id)).Word == writtenOff {
			return BadDebt
		}
		return Waivers
	}
	var p Posting
	switch e := event.(type) {
	case fee.Assessed:
		return Posting{
			Debit: Receivables, Credit: Revenue, Amount: e.Amount, FeeType: TypeOf(e.Reason), UserID: e.UserID, FeeID: e.FeeID,
		}
	case fee.Adjusted:
		p = Posting{Debit: Receivables, Credit: Revenue, Amount: e.Amount}
		if e.Direction == fee.DirectionDecrease {
			p.Debit, p.Credit = p.Credit, p.Debit
		}
	case fee.Cancelled:
		p = Posting{Debit: Revenue, Credit: Receivables, Amount: e.Amount}
	case fee.Waived:
		p = Posting{Debit: Waivers, Credit: Receivables, Amount: e.Amount}
	case fee.WrittenOff:
		p = Posting{Debit: BadDebt, Credit: Receivables, Amount: e.Amount}
	case fee.ReductionReleased:
		p = Posting{Debit: Receivables, Credit: reduction(e.ReductionID), Amount: e.Amount}
	case fee.ReductionReversed:
		p = Posting{Debit: Receivables, Credit: reduction(e.ReductionID), Amount: e.Amount}
	case fee.WriteOffRecovered:
		p = Posting{Debit: Receivables, Credit: Recoveries, Amount: e.Amount, PaymentID: e.PaymentID}
	case fee.RecoveryReversed:
		p = Posting{Debit: Recoveries, Credit: Receivables, Amount: e.Amount, PaymentID: e.PaymentID}
	case fee.PaymentApplied:
		p = Posting{Debit: Unallotted, Credit: Receivables, Amount: e.Amount, PaymentID: e.PaymentID}
	case fee.PaymentUnapplied:
		p = Posting{Debit: Receivables, Credit: Unallotted, Amount: e.Amount, PaymentID: e.PaymentID}
	case fee.CreditApplied:
		p = Posting{Debit: Unallotted, Credit: Receivables, Amount: e.Amount, CreditID: e.CreditID}
	case fee.CreditUnapplied:
		p = Posting{Debit: Receivables, Credit: Unallotted, Amount: e.Amount, CreditID: e.CreditID}
	case fee.PaymentReserved, fee.ReservationReleased, fee.Annotated, fee.NoteAdded, fee.NoteChanged, fee.NoteHidden:
		return Posting{}
	}
	origin := ask(stream)
	p.UserID, p.FeeID, p.FeeType = origin.UserID, strings.TrimPrefix(stream, fee.Stream("")), FeeType(origin.Word)
	return p
}

func postPayment(stream string, event payment.Event, ask func(string) Origin) Posting {
	switch e := event.(type) {
	case payment.Captured:
		return Posting{Debit: TenderAccount(e.Tender), Credit: Unallotted, Amount: e.Amount, UserID: e.UserID, PaymentID: e.PaymentID}
	case payment.Voided:
		origin := ask(stream)
		return Posting{
			Debit: Unallotted, Credit: TenderAccount(payment.Tender(origin.Word)), Amount: e.Amount, UserID: origin.UserID,
			PaymentID: strings.TrimPrefix(stream, payment.Stream("")),
		}
	// A reallocation moves money by the events of fees and credits beside it.
	case payment.Started, payment.Failed, payment.Cancelled, payment.Reallocated, payment.Annotated:
	}
	return Posting{}
}

func postCredit(stream string, event credit.Event, ask func(string) Origin) Posting {
	p := Posting{UserID: strings.TrimPrefix(stream, credit.Stream(""))}
	switch e := event.(type) {
	case credit.Granted:
		p.Debit, p.Credit, p.Amount, p.CreditID, p.PaymentID = Unallotted, PatronCredits, e.Amount, e.CreditID, e.PaymentID
		if e.PaymentID == "" {
			p.Debit = Goodwill
		}
	case credit.Spent:
		p.Debit, p.Credit, p.Amount, p.CreditID = PatronCredits, Unallotted, e.Amount, e.CreditID
	case credit.Returned:
		p.Debit, p.Credit, p.Amount, p.CreditID = Unallotted, PatronCredits, e.Amount, e.CreditID
	case credit.Reversed:
		p.Debit, p.Credit, p.Amount, p.CreditID = PatronCredits, Unallotted, e.Amount, e.CreditID
		p.PaymentID = ask(part(stream, e.CreditID)).Word
	}
	return p
}
