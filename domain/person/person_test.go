package person_test

import (
	"strings"
	"testing"

	"payledger/domain"
	"payledger/domain/decidertest"
	"payledger/domain/person"
)

func TestErase(t *testing.T) {
	t.Parallel()
	type testCase = decidertest.Case[person.Command, person.Event]
	erase := person.Erase{UserID: "u1", Reason: "request"}
	again, open := erase, erase
	again.Again = true
	open.Open, open.Again = []string{"fee f1 owes 1.00 USD", "credit c1 has 2.00 USD left"}, true
	because := func(reason string) person.Erase { return person.Erase{UserID: "u1", Reason: reason} }
	erased := person.Erased{UserID: "u1", Reason: "request"}
	certified := person.Certified{UserID: "u1", ErasedAt: 7, Texts: 3}
	decidertest.Run(
		t, person.Decider,
		testCase{Name: "first", When: erase, Then: []person.Event{erased}},
		testCase{Name: "already so", Given: []person.Event{erased}, When: erase},
		testCase{Name: "already so, whatever is open since", Given: []person.Event{erased}, When: person.Erase{UserID: "u1", Reason: "request", Open: open.Open}},
		testCase{Name: "something came since", Given: []person.Event{erased, certified}, When: again, Then: []person.Event{erased}},
		testCase{Name: "money is open", When: open, Err: person.ErrMoneyOpen},
		testCase{Name: "no reason", When: because(""), Err: person.ErrBadReason},
		testCase{Name: "words for a reason", When: because("she asked"), Err: person.ErrBadReason},
		testCase{Name: "too long a reason", When: because(strings.Repeat("r", person.MaxReason+1)), Err: person.ErrBadReason},
		testCase{Name: "a long reason", When: because(strings.Repeat("r", person.MaxReason)), Then: []person.Event{
			person.Erased{UserID: "u1", Reason: strings.Repeat("r", person.MaxReason)},
		}},
		testCase{Name: "certified", Given: []person.Event{erased}, When: person.Certify{Certificate: certified}, Then: []person.Event{certified}},
		testCase{Name: "certified already", Given: []person.Event{erased, certified}, When: person.Certify{Certificate: certified}},
		testCase{
			Name: "certified anew", Given: []person.Event{erased, certified, erased}, When: person.Certify{Certificate: certified},
			Then: []person.Event{certified},
		},
		testCase{Name: "not erased", When: person.Certify{Certificate: certified}, Err: person.ErrNotErased},
		testCase{Name: "no command", When: nil, Err: domain.ErrUnknownCommand},
	)
}
