package extension_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/domain"
	"payledger/domain/decidertest"
	"payledger/domain/extension"
)

type (
	testCase = decidertest.Case[extension.Command, extension.Event]
	events   = []extension.Event
	list     = []extension.Element
)

func TestAdd(t *testing.T) {
	t.Parallel()
	add := func(elements ...extension.Element) extension.Add {
		return extension.Add{Object: "fee", ID: "f1", Stream: "fee-f1", Name: "reminders", Elements: elements}
	}
	put := func(elements ...extension.Element) extension.Put {
		return extension.Put{Object: "fee", ID: "f1", Stream: "fee-f1", Name: "reminders", Elements: elements}
	}
	one, two, changed := extension.Element{ID: "1", Value: `{"id":"1"}`}, extension.Element{ID: "2", Value: `{"id":"2"}`}, extension.Element{ID: "1", Value: `{"id":"1","n":2}`}
	sized := func(id string, size int) extension.Element {
		return extension.Element{ID: id, Value: extension.Value(strings.Repeat(" ", size))}
	}
	elsewhere := put(one)
	elsewhere.Name = "letters"
	decidertest.Run(
		t, extension.Decider,
		testCase{Name: "adds", When: add(one, two), Then: events{put(one, two)}},
		testCase{Name: "adds to others", Given: events{put(one)}, When: add(two), Then: events{put(two)}},
		testCase{Name: "replaces", Given: events{put(one, two)}, When: add(changed), Then: events{put(changed)}},
		testCase{Name: "only what changed", Given: events{put(one)}, When: add(one, two), Then: events{put(two)}},
		testCase{Name: "is so", Given: events{put(one), put(two)}, When: add(two, one)},
		testCase{Name: "replaced before", Given: events{put(one), put(changed)}, When: add(one), Then: events{put(one)}},
		testCase{Name: "another list", Given: events{elsewhere}, When: add(one), Then: events{put(one)}},
		testCase{Name: "nothing", When: add()},
		testCase{Name: "one twice", When: add(one, changed), Err: extension.ErrDuplicateElement},
		testCase{Name: "as large as may be", Given: events{put(sized("1", 31_000))}, When: add(sized("2", 1000)), Then: events{put(sized("2", 1000))}},
		testCase{Name: "too large", Given: events{put(sized("1", 31_000))}, When: add(sized("2", 1001)), Err: extension.ErrTooLarge},
		testCase{Name: "replaced by a smaller one", Given: events{put(sized("1", 31_000))}, When: add(sized("1", 1), sized("2", 30_000)), Then: events{put(sized("1", 1), sized("2", 30_000))}},
		testCase{Name: "no command", When: nil, Err: domain.ErrUnknownCommand},
	)
}

func TestEvolveLeavesOlderStatesAlone(t *testing.T) {
	t.Parallel()
	put := func(id, value string) extension.Event {
		return extension.Put{Name: "n", Elements: list{{ID: id, Value: extension.Value(value)}}}
	}
	fold := func(more ...extension.Event) extension.State {
		return extension.Decider.Fold(extension.Decider.Initial(), append(events{put("1", "a"), put("2", "b"), put("3", "c")}, more...)...)
	}
	base := fold()
	left, right := extension.Decider.Evolve(base, put("4", "left")), extension.Decider.Evolve(base, put("1", "right"))
	require.Equal(t, fold(put("4", "left")), left)
	require.Equal(t, fold(put("1", "right")), right)
	require.Equal(t, fold(), base)
}
