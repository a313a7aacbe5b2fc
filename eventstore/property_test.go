package eventstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
)

// accounts is the number of streams of the property test: few, so that everybody meets everybody.
const accounts = 5

// transfer moves an amount between two accounts if the first one has it; from a negative account money is made.
type transfer struct {
	from, to int
	amount   int64
	claim    string
}

func account(n int) string { return "account-" + strconv.Itoa(n) }

// allowed is the rule that both the decision and the model follow.
func (x transfer) allowed(balance int64) bool { return x.from == x.to || balance >= x.amount }

func (x transfer) commit() eventstore.Commit {
	out, in := storetest.Event(-x.amount), storetest.Event(x.amount)
	c := storetest.Commit(func(v eventstore.View) (eventstore.Decision, error) {
		if !x.allowed(storetest.Value(v, account(x.from)).Sum) {
			return eventstore.Decision{}, errTooMuch
		}
		d := eventstore.Decision{Appends: []eventstore.Append{storetest.Append(account(x.to), in)}}
		if x.from != x.to {
			d.Appends = append(d.Appends, storetest.Append(account(x.from), out))
			d.Route = &eventstore.RouteEvent{Topic: "moved"}
		}
		d.Answer = &eventstore.Answer{Status: 200, Body: fmt.Append(nil, storetest.Value(v, account(x.from)).Sum)}
		return d, nil
	}, account(x.from), account(x.to))
	if x.claim != "" {
		c.Claim = &eventstore.Claim{Tenant: storetest.Tenant, Key: x.claim}
	}
	return c
}

func randomTransfer(r *rand.Rand) transfer {
	x := transfer{from: r.IntN(accounts), to: r.IntN(accounts), amount: 1 + r.Int64N(20)}
	if x.from != x.to {
		x.amount *= 8 // many are refused, at any time
	}
	if r.IntN(8) == 0 {
		x.claim = strconv.Itoa(r.IntN(60))
	}
	return x
}

// attempt is a transfer and what its caller was told.
type attempt struct {
	transfer

	result eventstore.Result
	err    error
}

func TestTheLogIsWhatAModelSays(t *testing.T) {
	t.Parallel()
	small := func(c *eventstore.Config) { c.CacheSize = 2 }
	soon := func(c *eventstore.Config) { c.AloneAfter = 1 }
	for name, test := range map[string]struct {
		stores []func(*eventstore.Config)
		meets  func(...eventstore.Stats) int64 // what shows that the test was worth it
	}{
		"two stores": {[]func(*eventstore.Config){func(*eventstore.Config) {}, small}, func(s ...eventstore.Stats) int64 {
			return s[0].Redecided + s[1].Redecided
		}},
		"two stores that soon write unread": {[]func(*eventstore.Config){soon, func(c *eventstore.Config) { soon(c); small(c) }}, func(s ...eventstore.Stats) int64 {
			return min(s[0].Unread+s[1].Unread, s[0].Mistaken+s[1].Mistaken)
		}},
		"one store": {[]func(*eventstore.Config){func(c *eventstore.Config) { soon(c); c.MaxBatch = 3 }}, func(s ...eventstore.Stats) int64 {
			return min(s[0].Unread, s[0].Redecided)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.NewFrom(t, storetest.Template())
			var stores []*eventstore.Store
			for _, change := range test.stores {
				stores = append(stores, storetest.OpenOn(t, db, change))
			}
			checkLogIsWhatAModelSays(t, db, stores)
			var stats []eventstore.Stats
			for _, store := range stores {
				stats = append(stats, store.Stats())
			}
			require.Positive(t, test.meets(stats...), "%+v", stats)
		})
	}
}

func checkLogIsWhatAModelSays(t *testing.T, db *pgtest.DB, stores []*eventstore.Store) {
	t.Helper()
	const callers, each = 12, 60
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	attempts := make([][]attempt, callers)
	var wg sync.WaitGroup
	for i := range callers {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() {
			for range each {
				x := randomTransfer(r)
				result, err := stores[i%len(stores)].Commit(t.Context(), x.commit())
				attempts[i] = append(attempts[i], attempt{x, result, err})
			}
		})
	}
	wg.Wait()

	events, err := eventstore.NewReader(db.AppPool(t)).ReadAll(t.Context(), 0, 10*callers*each)
	require.NoError(t, err)
	balances := replay(t, events)
	accepted := make(map[int64]transfer)
	for _, list := range attempts {
		for _, a := range list {
			checkAttempt(t, a, balances, accepted)
		}
	}
	checkStored(t, events, accepted)
	for _, list := range attempts {
		for _, a := range list {
			checkRefused(t, a, accepted)
		}
	}
	numbers := column(t, db.AppPool(t), "SELECT number::text FROM ledger.route_events r ORDER BY r.number")
	for i, number := range numbers {
		require.Equal(t, strconv.Itoa(i+1), number)
	}
	storetest.Verify(t, db)
}

// replay returns the balances at every position.
func replay(t *testing.T, events []eventstore.Recorded) [][accounts]int64 {
	t.Helper()
	balances := make([][accounts]int64, 1, len(events)+1)
	var versions [accounts]int64
	for i, e := range events {
		n, err := strconv.ParseInt(string(e.Data), 10, 64)
		require.NoError(t, err)
		var k int
		_, err = fmt.Sscanf(e.Stream.Name, "account-%d", &k)
		require.NoError(t, err)
		versions[k]++
		require.Equal(t, versions[k], e.Version)
		require.EqualValues(t, i+1, e.Position)
		next := balances[i]
		next[k] += n
		balances = append(balances, next)
	}
	return balances
}

// checkAttempt compares what a caller was told with the model at the place in the log where it was decided.
func checkAttempt(t *testing.T, a attempt, balances [][accounts]int64, accepted map[int64]transfer) {
	t.Helper()
	switch {
	case errors.Is(a.err, errTooMuch):
		require.False(t, a.allowed(balances[a.result.Head][a.from]), "%+v was refused at %d", a.transfer, a.result.Head)
	case a.err != nil:
		require.NoError(t, a.err)
	case !a.result.Replayed:
		before := balances[a.result.First-1][a.from]
		require.True(t, a.allowed(before), "%+v was accepted at %d", a.transfer, a.result.First)
		require.Equal(t, strconv.FormatInt(before, 10), string(a.result.Answer.Body))
		require.Equal(t, a.result.Last, a.result.Head)
		require.NotContains(t, accepted, a.result.First)
		accepted[a.result.First] = a.transfer
	default:
		require.NotEmpty(t, a.claim)
		require.Equal(t, strconv.FormatInt(balances[a.result.First-1][accountAt(a, balances)], 10), string(a.result.Answer.Body))
	}
}

// checkRefused checks that nobody was refused who had been answered before.
func checkRefused(t *testing.T, a attempt, accepted map[int64]transfer) {
	t.Helper()
	if a.claim == "" || !errors.Is(a.err, errTooMuch) {
		return
	}
	for first, x := range accepted {
		require.False(t, x.claim == a.claim && first <= a.result.Head, "%+v was refused at %d, its claim was answered at %d", a.transfer, a.result.Head, first)
	}
}

// accountAt is the account that the first command under a claim took from: the last of its events tells.
func accountAt(a attempt, balances [][accounts]int64) int {
	for k := range accounts {
		if balances[a.result.Last][k] != balances[a.result.Last-1][k] {
			return k
		}
	}
	return -1
}

// checkStored checks that the log holds the accepted transfers and nothing else.
func checkStored(t *testing.T, events []eventstore.Recorded, accepted map[int64]transfer) {
	t.Helper()
	for i := 0; i < len(events); {
		x, ok := accepted[events[i].Position]
		require.True(t, ok, "position %d is nobody's", events[i].Position)
		require.Equal(t, account(x.to)+" "+strconv.FormatInt(x.amount, 10), events[i].Stream.Name+" "+string(events[i].Data))
		i++
		if x.from != x.to {
			require.Equal(t, account(x.from)+" "+strconv.FormatInt(-x.amount, 10), events[i].Stream.Name+" "+string(events[i].Data))
			i++
		}
	}
}
