package audit

import (
	"context"
	"slices"

	"payledger/domain/books"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/policy"
	"payledger/eventstore/catalog"
	bookrows "payledger/readmodels/books"
)

// accounts is the trial balance, made of the log itself: what every account of the books stands at. `audit trial-balance` asks the
// projection for the same at once.
func accounts() Kind {
	return Kind{
		Name: "accounts", Title: "Trial balance", Filters: []string{filterProfile}, form: 1, fold: foldAccounts, also: []string{"policy.books_profile_set"},
		Columns: []Column{
			{"profile", Text},
			{"account", Number},
			{"name", Text},
			{"feeType", Text},
			{"currency", Text},
			{"debit", Money},
			{"credit", Money},
		},
	}
}

// accountPair is between which accounts money moves.
type accountPair struct {
	debit, credit books.Account
	feeType       books.FeeType
	currency      money.Currency
}

func foldAccounts(ctx context.Context, r Reader, p Params, t *table) error {
	profile, err := r.profile(ctx, p)
	if err != nil {
		return err
	}
	moved := make(map[accountPair]money.Total)
	for _, prefix := range []string{fee.Stream(""), payment.Stream(""), credit.Stream("")} {
		err := r.eachStream(ctx, p.Tenant, prefix, p.KnownAt, func(events []catalog.Event) error { return post(moved, events, p.Bounds) })
		if err != nil {
			return err
		}
	}
	list := make([]bookrows.Movement, 0, len(moved))
	for pair, sum := range moved {
		list = append(list, bookrows.Movement{Posting: books.Posting{Debit: pair.debit, Credit: pair.credit, FeeType: pair.feeType, Amount: sum.Amount}})
	}
	balances, err := bookrows.Balances(list, profile)
	if err != nil {
		return err
	}
	for _, b := range balances {
		debit, credit := b.Sides()
		err := t.row(text(string(profile)), number(int64(b.Account)), text(b.Account.Name()), text(string(b.FeeType)), text(b.Currency.Code()), amount(debit), amount(credit))
		if err != nil {
			return err
		}
		if err := t.total("debit", 0, debit); err != nil {
			return err
		}
		if err := t.total("credit", 0, credit); err != nil {
			return err
		}
	}
	return nil
}

// post adds what the events of a stream post. What later events need of earlier ones is on their own stream.
func post(moved map[accountPair]money.Total, events []catalog.Event, b Bounds) error {
	origins := make(map[string]books.Origin)
	for _, ev := range events {
		if key, origin, begins := books.Begins(ev.Stream.Name, ev.Data); begins {
			origins[key] = origin
		}
		posting, posts, err := books.Post(ev.Stream.Name, ev.Data, func(key string) (books.Origin, bool) { o, found := origins[key]; return o, found })
		if err != nil {
			return err
		}
		if !posts || !b.counts(ev.EffectiveAt) {
			continue
		}
		pair := accountPair{posting.Debit, posting.Credit, posting.FeeType, posting.Amount.Currency()}
		sum, known := moved[pair]
		if !known {
			sum = zero(pair.currency)
		}
		if moved[pair], err = sum.Add(posting.Amount); err != nil {
			return err
		}
	}
	return nil
}

// profile is the one that is asked for, else what the tenant had chosen at the position.
func (r Reader) profile(ctx context.Context, p Params) (policy.Profile, error) {
	if asked := p.filter(filterProfile); asked != "" {
		if !slices.Contains(policy.Profiles(), policy.Profile(asked)) {
			return "", badFilter(filterProfile, asked, Profiles())
		}
		return policy.Profile(asked), nil
	}
	profile := policy.Profiles()[0]
	events, err := r.stream(ctx, p.Tenant, policy.BooksStream, p.KnownAt)
	for _, ev := range events {
		if set, ok := ev.Data.(policy.ProfileSet); ok {
			profile = set.Profile
		}
	}
	return profile, err
}

// Profiles are the values that the filter profile knows.
func Profiles() []string {
	var names []string
	for _, p := range policy.Profiles() {
		names = append(names, string(p))
	}
	return names
}
