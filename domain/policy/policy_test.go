package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain"
	"payledger/domain/decidertest"
	"payledger/domain/policy"
)

type events = []policy.Event

func TestSetReasons(t *testing.T) {
	t.Parallel()
	type testCase = decidertest.Case[policy.Command, policy.Event]
	set := func(codes ...string) policy.SetReasons {
		return policy.SetReasons{Kind: policy.KindWaive, Codes: codes}
	}
	isSet := func(codes ...string) events { return events{policy.ReasonsSet{Kind: policy.KindWaive, Codes: codes}} }
	decidertest.Run(
		t, policy.Decider,
		testCase{Name: "sets", When: set("a", "b"), Then: isSet("a", "b")},
		testCase{Name: "is set", Given: isSet("a", "b"), When: set("a", "b")},
		testCase{Name: "another order", Given: isSet("a", "b"), When: set("b", "a"), Then: isSet("b", "a")},
		testCase{Name: "the default ones", When: set(policy.Defaults(policy.KindWaive)...)},
		testCase{Name: "as long as may be", When: set(strings.Repeat("x", policy.MaxCode)), Then: isSet(strings.Repeat("x", policy.MaxCode))},
		testCase{Name: "too long", When: set(strings.Repeat("x", policy.MaxCode+1)), Err: policy.ErrBadCodes},
		testCase{Name: "none", When: set(), Err: policy.ErrBadCodes},
		testCase{Name: "an empty one", When: set("a", ""), Err: policy.ErrBadCodes},
		testCase{Name: "one twice", When: set("a", "a"), Err: policy.ErrBadCodes},
		testCase{Name: "unknown kind", When: policy.SetReasons{Kind: "sing", Codes: []string{"a"}}, Err: policy.ErrUnknownKind},
		testCase{Name: "no command", When: nil, Err: domain.ErrUnknownCommand},
	)
}

func TestSetProfile(t *testing.T) {
	t.Parallel()
	type testCase = decidertest.Case[policy.Command, policy.Event]
	cash, accrual := policy.ProfileSet{Profile: policy.ProfileCash}, policy.ProfileSet{Profile: policy.ProfileAccrual}
	decidertest.Run(
		t, policy.Decider,
		testCase{Name: "cash", When: policy.SetProfile(cash), Then: events{cash}},
		testCase{Name: "is the default", When: policy.SetProfile(accrual)},
		testCase{Name: "is set", Given: events{cash}, When: policy.SetProfile(cash)},
		testCase{Name: "and back", Given: events{cash}, When: policy.SetProfile(accrual), Then: events{accrual}},
		testCase{Name: "unknown", When: policy.SetProfile{Profile: "modified"}, Err: policy.ErrUnknownProfile},
		testCase{Name: "none", When: policy.SetProfile{}, Err: policy.ErrUnknownProfile},
	)
	require.Equal(t, policy.ProfileAccrual, policy.Decider.Initial().Profile())
	require.Equal(t, policy.ProfileCash, policy.Decider.Fold(policy.Decider.Initial(), cash).Profile())
}

func TestReasons(t *testing.T) {
	t.Parallel()
	before := policy.Decider.Initial()
	for _, kind := range policy.Kinds() {
		require.NotEmpty(t, policy.Defaults(kind), kind)
		require.NoError(t, before.Check(kind, policy.Defaults(kind)[0]))
		require.ErrorIs(t, before.Check(kind, ""), policy.ErrUnknownReason)
	}
	after := policy.Decider.Fold(before, policy.ReasonsSet{Kind: policy.KindWaive, Codes: []string{"ours"}})
	require.NoError(t, after.Check(policy.KindWaive, "ours"))
	require.ErrorIs(t, after.Check(policy.KindWaive, "goodwill"), policy.ErrUnknownReason)
	require.NoError(t, after.Check(policy.KindGrant, "goodwill"), "the others keep theirs")
	require.NoError(t, before.Check(policy.KindWaive, "goodwill"), "the older state is left alone")
	left := policy.Decider.Evolve(after, policy.ReasonsSet{Kind: policy.KindVoid, Codes: []string{"left"}})
	require.ErrorIs(t, after.Check(policy.KindVoid, "left"), policy.ErrUnknownReason)
	require.NoError(t, left.Check(policy.KindVoid, "left"))
}
