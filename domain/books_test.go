package domain_test

import (
	"cmp"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/books"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
)

// account is one account in one currency.
type account struct {
	profile  policy.Profile
	account  books.Account
	currency money.Currency
}

// posted is the books so far, beside what the streams themselves say.
type posted struct {
	origins    map[string]books.Origin
	balances   map[account]int64        // debits less credits
	unallotted map[string]int64         // what a commit has left to allot, by payment or credit
	fees       map[string]fee.State     // by stream
	credits    map[string]credit.State  // by stream
	owed       map[money.Currency]int64 // outstanding of all fees
	kept       map[money.Currency]int64 // what is left of all credits
}

// checkBooks posts the log, event by event, and holds the books against the states of all streams at every position: I1, I2, I3,
// I5, and behind every commit I22.
func (m *machine) checkBooks(t *rapid.T) {
	b := posted{
		origins: make(map[string]books.Origin), balances: make(map[account]int64), unallotted: make(map[string]int64),
		fees: make(map[string]fee.State), credits: make(map[string]credit.State),
		owed: make(map[money.Currency]int64), kept: make(map[money.Currency]int64),
	}
	for position, l := range m.l.log {
		b.post(t, l)
		b.controls(t)
		if position+1 == len(m.l.log) || m.l.log[position+1].commit != l.commit {
			for id, minor := range b.unallotted {
				require.Zero(t, minor, "I22: left to allot of %s at position %d", id, position)
			}
			clear(b.unallotted)
		}
	}
}

func (b *posted) post(t *rapid.T, l logged) {
	p, ok, err := books.Post(l.stream, l.event, func(key string) (books.Origin, bool) { o, found := b.origins[key]; return o, found })
	require.NoError(t, err)
	if key, origin, begins := books.Begins(l.stream, l.event); begins {
		require.NotContains(t, b.origins, key, "what begins twice")
		b.origins[key] = origin
	}
	require.Equal(t, b.evolve(t, l), ok, "I3: %T", l.event)
	if !ok {
		return
	}
	require.NotEmpty(t, p.UserID)
	for _, profile := range policy.Profiles() {
		sum := int64(0)
		lines := p.Lines(profile)
		require.GreaterOrEqual(t, len(lines), 2, "I1")
		for _, line := range lines {
			require.Equal(t, line.Debit > 0, line.Credit == 0, "I1: one side of more than nothing")
			require.GreaterOrEqual(t, line.Credit, int64(0), "I1")
			require.NotEmpty(t, line.Account.Name())
			require.Equal(t, line.Account == books.Revenue, line.FeeType != "")
			sum += line.Debit - line.Credit
			b.balances[account{profile, line.Account, p.Amount.Currency()}] += line.Debit - line.Credit
		}
		require.Zero(t, sum, "I1, I2")
	}
	of := cmp.Or(p.PaymentID, p.CreditID)
	if p.Credit == books.Unallotted {
		b.unallotted[of] += p.Amount.Minor()
	}
	if p.Debit == books.Unallotted {
		b.unallotted[of] -= p.Amount.Minor()
	}
}

// evolve reports whether the event moves money: what its own stream owes or keeps, or money that came in.
func (b *posted) evolve(t *rapid.T, l logged) bool {
	switch e := l.event.(type) {
	case fee.Event:
		before := b.fees[l.stream]
		after := fee.Decider.Evolve(before, e)
		b.fees[l.stream] = after
		moved := after.Outstanding().Minor() - before.Outstanding().Minor()
		require.Equal(t, moved, fee.Moves(e).Minor(), "%T", e)
		b.owed[after.Currency] += moved
		return moved != 0
	case credit.Event:
		before := b.credits[l.stream]
		after := credit.Decider.Evolve(before, e)
		b.credits[l.stream] = after
		moves := credit.Moves(e)
		moved := after.Left(moves.Currency()).Minor() - before.Left(moves.Currency()).Minor()
		require.Equal(t, moved, moves.Minor(), "%T", e)
		b.kept[moves.Currency()] += moved
		return moved != 0
	}
	switch l.event.(type) {
	case payment.Captured, payment.Voided:
		return true
	}
	return false
}

func (b *posted) controls(t *rapid.T) {
	for _, profile := range policy.Profiles() {
		for cur, minor := range b.owed {
			require.Equal(t, minor, b.balances[account{profile, books.Receivables, cur}], "I5: 1100")
		}
		for cur, minor := range b.kept {
			require.Equal(t, -minor, b.balances[account{profile, books.PatronCredits, cur}], "I5: 2100")
		}
	}
	for cur, minor := range b.owed {
		require.Equal(t, -minor, b.balances[account{policy.ProfileCash, books.Uncollected, cur}], "what is owed isn't revenue yet")
	}
}
