// Package decidertest checks deciders by tables of given, when and then.
package decidertest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"payledger/domain"
)

// Case says what a command causes on a stream that has the given events: the events
// of Then, none for "already so", or the rejection Err.
type Case[C, E any] struct {
	Name  string
	Given []E
	When  C
	Then  []E
	Err   error
}

// Run checks each case in a parallel subtest, and that deciding has no memory: a
// second decision on the same state is the same.
func Run[C, E, S any](t *testing.T, d domain.Decider[C, E, S], cases ...Case[C, E]) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			state := d.Fold(d.Initial(), c.Given...)
			for range 2 {
				events, err := d.Decide(state, c.When)
				require.ErrorIs(t, err, c.Err)
				require.Empty(t, cmp.Diff(c.Then, events, cmpopts.EquateEmpty()), "-want +got")
			}
		})
	}
}
