// Package books says what each event of the log posts in the books of a library:
// double entry, by the accounts of a fixed chart.
//
// An event that moves money posts exactly one amount, from one account to another, so
// every entry balances by itself. A command that appends to several streams posts each
// fact once: the payment's event moves money from its cash account to money to allot,
// the fee's event from there to what patrons owe, the credit's event from there to what
// patrons have. So at every position of the log patrons owe what the fees say, they have
// what the credits say, and behind every commit there is nothing left to allot.
//
// Accrual and cash are two readings of the same postings; see Posting.Lines.
package books

import (
	"slices"

	"payledger/domain/payment"
)

// Account is the number of an account. Zero is none.
type Account int16

// The chart of accounts.
const (
	Cash             Account = 1200
	Checks           Account = 1220
	OtherTenders     Account = 1290
	TerminalClearing Account = 1310
	Receivables      Account = 1100
	PatronCredits    Account = 2100
	Unallotted       Account = 2120
	Uncollected      Account = 2190
	Revenue          Account = 4000
	Waivers          Account = 4090
	Goodwill         Account = 4096
	Recoveries       Account = 4900
	BadDebt          Account = 6100
)

// Kind is what kind of account one is.
type Kind string

// The kinds of accounts.
const (
	Asset     Kind = "asset"
	Liability Kind = "liability"
	Income    Kind = "income"
	Contra    Kind = "contra" // takes off income
	Expense   Kind = "expense"
)

// ChartRow is an account with its name.
type ChartRow struct {
	Account Account
	Name    string
	Kind    Kind
}

// Chart returns all accounts by their numbers. Revenue stands for one account for each
// type of fee.
func Chart() []ChartRow { return slices.Clone(chart[:]) }

var chart = [...]ChartRow{
	{Receivables, "Owed by patrons", Asset},
	{Cash, "Cash drawer", Asset},
	{Checks, "Checks", Asset},
	{OtherTenders, "Other tenders", Asset},
	{TerminalClearing, "Card terminal clearing", Asset},
	{PatronCredits, "Patron credits", Liability},
	{Unallotted, "Money to allot", Liability},
	{Uncollected, "Uncollected fees", Liability},
	{Revenue, "Revenue", Income},
	{Waivers, "Waivers", Contra},
	{Goodwill, "Goodwill credits", Contra},
	{Recoveries, "Recoveries", Income},
	{BadDebt, "Bad debt", Expense},
}

// Name returns what the chart calls the account, empty for none of it.
func (a Account) Name() string {
	for _, row := range chart {
		if row.Account == a {
			return row.Name
		}
	}
	return ""
}

// TenderAccount returns the account that money of a tender comes in on.
func TenderAccount(t payment.Tender) Account {
	switch t {
	case payment.TenderCash:
		return Cash
	case payment.TenderCheck:
		return Checks
	case payment.TenderPOS:
		return TerminalClearing
	case payment.TenderOther:
	}
	return OtherTenders
}

// FeeType is what a fee is for: an account of Revenue. Reasons in free words are Other,
// so that there are few accounts and no words of people in the books.
type FeeType string

// The types of fees.
const (
	Overdue   FeeType = "overdue"
	Lost      FeeType = "lost"
	Damage    FeeType = "damage"
	Manual    FeeType = "manual"
	System    FeeType = "system"
	OtherType FeeType = "other"
)

// FeeTypes returns all types.
func FeeTypes() []FeeType { return []FeeType{Overdue, Lost, Damage, Manual, System, OtherType} }

// TypeOf returns the type of a fee that was assessed for a reason.
func TypeOf(reason string) FeeType {
	for _, t := range FeeTypes() {
		if string(t) == reason {
			return t
		}
	}
	return OtherType
}
