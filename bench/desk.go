package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// httpSteps are full commands over HTTP, with token, idempotency key and route event, while the projectors run beside.
func httpSteps() []step {
	var all []step
	for _, kind := range []string{assess, pay} {
		for _, clients := range []int{1, 16, 64} {
			name := fmt.Sprintf("http.%s.%d", kind, clients)
			names := []string{name}
			if name == cpuStep {
				names = append(names, "http.cpu_us")
			}
			all = append(all, step{names: names, run: func(ctx context.Context, s *suite) error { return s.measurePeak(ctx, kind, clients) }})
		}
	}
	for _, kind := range []string{assess, pay} {
		name := "http." + kind + ".sustained"
		all = append(all, step{names: []string{name}, run: func(ctx context.Context, s *suite) error { return s.measureSustained(ctx, kind) }})
	}
	return append(all, step{names: []string{"publish.p50", "publish.p99"}, run: measureLatency})
}

// The kinds of commands.
const (
	assess = "assess"
	pay    = "pay"
)

// cpuStep is the measurement whose processor time of the API is http.cpu_us.
const cpuStep = "http.assess.64"

// desk makes commands. Numbers go on from step to step, so that no command comes twice.
type desk struct {
	fees, payments, keys atomic.Int64
}

// useRunning returns the stack with API and projectors running and nothing left to catch up with.
func (s *suite) useRunning(ctx context.Context) (*stack, error) {
	st, err := s.useStack(ctx)
	if err != nil {
		return nil, err
	}
	if st.projector == nil {
		if err := s.library.skipPublishing(ctx); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(st.serve(ctx), st.project(ctx)); err != nil {
		return nil, err
	}
	return st, s.settle(ctx)
}

// callers are clients of the API, each with a connection of its own, which is opened with its first call.
type callers struct {
	stack  *stack
	path   string
	conns  []*client
	bodies [][]byte
	body   func([]byte) ([]byte, error) // appends the next command
}

// callers returns clients that make commands of a kind: assess or pay.
func (st *stack) callers(kind string, clients int) *callers {
	c := &callers{stack: st, path: "/fees", conns: make([]*client, clients), bodies: make([][]byte, clients), body: st.assessment}
	if kind == pay {
		c.path, c.body = "/payments", st.payment
	}
	return c
}

// call makes the next command.
func (c *callers) call(ctx context.Context, i int, _ int64) (err error) {
	if c.conns[i] == nil {
		if c.conns[i], err = dial(ctx, c.stack.url, c.stack.token); err != nil {
			return err
		}
	}
	if c.bodies[i], err = c.body(c.bodies[i][:0]); err != nil {
		return err
	}
	return c.conns[i].post(c.path, strconv.FormatInt(c.stack.desk.keys.Add(1), 10), c.bodies[i])
}

func (c *callers) close() {
	for _, conn := range c.conns {
		if conn != nil {
			conn.close()
		}
	}
}

// assessment is a fee for one of the members, in turn.
func (st *stack) assessment(body []byte) ([]byte, error) {
	n := st.desk.fees.Add(1)
	body = append(append(body, `{"userId":"`...), newID(idMember, n%int64(st.library.members)).String()...)
	body = append(append(body, `","loanId":"`...), newID(idLoan, n).String()...)
	return append(body, `","amount":12.5,"currency":"USD","reason":"overdue"}`...), nil
}

// payment is cash for one fee, assessed long ago, as fees are when they are paid.
func (st *stack) payment(body []byte) ([]byte, error) {
	number, member, ok := st.library.openFee(st.desk.payments.Add(1) - 1)
	if !ok {
		return nil, errNoMore // all fees are paid
	}
	body = append(append(body, `{"userId":"`...), newID(idMember, member).String()...)
	body = append(body, `","tender":"cash","amount":12.5,"currency":"USD","allocations":[{"feeId":"`...)
	return append(append(body, newID(idFee, number).String()...), `","amount":12.5}]}`...), nil
}

// measurePeak measures commands as fast as they are answered; projectors may fall behind meanwhile.
func (s *suite) measurePeak(ctx context.Context, kind string, clients int) error {
	st, err := s.useRunning(ctx)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("http.%s.%d", kind, clients)
	callers := st.callers(kind, clients)
	defer callers.close()
	warm := load{clients: clients, duration: s.warmUp()}
	if _, err := warm.run(ctx, callers.call); err != nil {
		return err
	}
	before := st.spent()
	got, err := load{clients: clients, duration: s.duration}.run(ctx, callers.call)
	if err != nil {
		return err
	}
	spent := st.spent().since(before)
	s.report.add(name, got.perSecond(), perSecond, "rows.64")
	s.report.add(name+".p50", got.percentile(0.5), millisecond, "")
	s.report.add(name+".p99", got.percentile(0.99), millisecond, "")
	if name == cpuStep && spent.known {
		s.report.add("http.cpu_us", perCall(spent.api, got.calls), microsecond, "")
	}
	s.addSpent(name, spent, got.calls)
	return nil
}

// spent is the processor time that the parties have used so far.
type spent struct {
	api, projector, postgres, broker, bench time.Duration
	known                                   bool
}

func (st *stack) spent() spent {
	var s spent
	s.known = true
	for _, part := range []struct {
		to   *time.Duration
		time func() (time.Duration, bool)
	}{
		{&s.api, st.api.processTime},
		{&s.projector, st.projector.processTime},
		{&s.postgres, st.suite.postgres.processTime},
		{&s.broker, st.broker.processTime},
		{&s.bench, ownTime},
	} {
		var ok bool
		*part.to, ok = part.time()
		s.known = s.known && ok
	}
	return s
}

func (s spent) since(before spent) spent {
	return spent{
		s.api - before.api, s.projector - before.projector, s.postgres - before.postgres, s.broker - before.broker, s.bench - before.bench,
		s.known && before.known,
	}
}

func perCall(d time.Duration, calls int64) float64 {
	return float64(d.Microseconds()) / float64(max(1, calls))
}

// addSpent reports processor time for one command: of the API, the projectors and Postgres, then of what is only here to measure.
func (s *suite) addSpent(name string, t spent, calls int64) {
	if !t.known {
		return
	}
	s.report.add(name+".cpu_api", perCall(t.api, calls), microsecond, "")
	s.report.add(name+".cpu_projectors", perCall(t.projector, calls), microsecond, "")
	s.report.add(name+".cpu_postgres", perCall(t.postgres, calls), microsecond, "")
	s.report.add(name+".cpu_bench", perCall(t.broker+t.bench, calls), microsecond, "")
}
