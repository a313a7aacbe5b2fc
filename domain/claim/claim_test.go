package claim_test

import (
	"testing"

	"payledger/domain"
	"payledger/domain/claim"
	"payledger/domain/decidertest"
)

func TestClaim(t *testing.T) {
	t.Parallel()
	type testCase = decidertest.Case[claim.Command, claim.Event]
	want := claim.Claim{Object: "feeEvent", ID: "n1", Stream: "fee-f1"}
	claimed := []claim.Event{claim.Claimed{Object: "feeEvent", ID: "n1", Stream: "fee-f1"}}
	decidertest.Run(
		t, claim.Decider,
		testCase{Name: "free", When: want, Then: claimed},
		testCase{Name: "taken", Given: claimed, When: want, Err: claim.ErrTaken},
		testCase{Name: "no command", When: nil, Err: domain.ErrUnknownCommand},
	)
}
