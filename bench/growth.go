package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// growthStep measures lists, searches and commands on libraries of growing size, each a database of its own, filled through the log and the
// projectors: what a user waits for should not grow with the library. All are made first and then asked in turns, since a machine's
// speed changes from minute to minute.
func (o options) growthStep() step {
	names := []string{}
	for _, size := range o.sizes {
		names = append(names, growthNames(size)...)
	}
	return step{names: names, run: measureGrowth}
}

// growthNames returns the names of all figures of a size.
func growthNames(size int) []string {
	g, names := growth{size: size}, []string{}
	for _, r := range readings() {
		names = append(names, g.name(r.name)+".p50", g.name(r.name)+".p99")
	}
	for _, kind := range []string{assess, pay} {
		names = append(names, g.name(kind), g.name(kind)+".p50", g.name(kind)+".p99")
	}
	return names
}

// growth is the measurement of one size.
type growth struct {
	size  int
	stack *stack
}

// name is how a figure is called; the size stands last but for the percentile.
func (g *growth) name(what string) string { return fmt.Sprintf("growth.%s.%d", what, g.size) }

// add reports a figure, with its ratio to that of the smallest size.
func (g *growth) add(what, part string, value float64, unit string) {
	base := ""
	if smallest := g.stack.suite.sizes[0]; g.size != smallest {
		base = fmt.Sprintf("growth.%s.%d%s", what, smallest, part)
	}
	g.stack.suite.report.add(g.name(what)+part, value, unit, base)
}

func measureGrowth(ctx context.Context, s *suite) (err error) {
	var all []*growth
	defer func() {
		for _, g := range all {
			err = errors.Join(err, g.close(ctx))
		}
	}()
	for _, size := range s.sizes {
		if !slices.ContainsFunc(growthNames(size), s.only.MatchString) {
			continue
		}
		g := &growth{size: size, stack: &stack{suite: s}}
		all = append(all, g)
		if err := g.open(ctx); err != nil {
			return err
		}
	}
	for _, r := range readings() {
		if err := inTurns(ctx, all, r.name, func(g *growth) (*asked, error) { return g.reading(ctx, r) }); err != nil {
			return err
		}
	}
	for _, kind := range []string{assess, pay} {
		if err := inTurns(ctx, all, kind, func(g *growth) (*asked, error) { return g.commands(kind), nil }); err != nil {
			return err
		}
	}
	return nil
}

// open makes the library and waits until its roles are ready.
func (g *growth) open(ctx context.Context) error {
	var err error
	st := g.stack
	if st.library, err = st.suite.newLibrary(ctx, fmt.Sprintf("growth_%d", g.size), (g.size+feesOfMember-1)/feesOfMember); err != nil {
		return err
	}
	if err := errors.Join(st.build(ctx), st.configure(ctx)); err != nil {
		return err
	}
	if st.projector, err = st.role(ctx, "project", "project", "tables", "documents"); err != nil {
		return err
	}
	if err := st.library.build(ctx); err != nil {
		return err
	}
	return st.serve(ctx)
}

func (g *growth) close(ctx context.Context) error {
	err := g.stack.close()
	if g.stack.library == nil {
		return err
	}
	g.stack.library.close()
	return errors.Join(err, g.stack.suite.postgres.drop(ctx, g.stack.library.database))
}

// asked is one thing asked of one library.
type asked struct {
	growth *growth
	load   load // of each turn
	warmUp load
	call   func(ctx context.Context, client int, n int64) error
	close  func()
	got    sample
}

// turns is how often each library is asked for each thing.
const turns = 5

// inTurns asks one library after the other for the same thing, again and again, and reports what each took.
func inTurns(ctx context.Context, all []*growth, what string, prepare func(*growth) (*asked, error)) error {
	var each []*asked
	defer func() {
		for _, a := range each {
			a.close()
		}
	}()
	for _, g := range all {
		if only := g.stack.suite.only; !slices.ContainsFunc([]string{"", ".p50", ".p99"}, func(part string) bool { return only.MatchString(g.name(what) + part) }) {
			continue
		}
		a, err := prepare(g)
		if err != nil {
			return err
		}
		a.growth = g
		each = append(each, a)
		if err := a.turn(ctx, a.warmUp); err != nil {
			return err
		}
		a.got = sample{} // the first calls don't count
	}
	for range turns {
		for _, a := range each {
			if err := a.turn(ctx, a.load); err != nil {
				return err
			}
		}
	}
	for _, a := range each {
		if a.load.clients > 1 {
			a.growth.add(what, "", a.got.perSecond(), perSecond)
		}
		a.growth.add(what, ".p50", a.got.percentile(0.5), millisecond)
		a.growth.add(what, ".p99", a.got.percentile(0.99), millisecond)
	}
	return nil
}

// turn asks once more, and waits until the library's projectors have done what it caused: the next one is measured without them.
func (a *asked) turn(ctx context.Context, l load) error {
	got, err := l.run(ctx, a.call)
	if err != nil {
		return err
	}
	a.got = a.got.and(got)
	library := a.growth.stack.library
	_, head, err := library.lag(ctx)
	if err != nil {
		return err
	}
	return library.projected(ctx, head)
}

// buildStep is how many events the projectors get one more patience for: what is built at once shows its checkpoint at the end only.
const buildStep = 300_000

// build waits until the read models are built and Postgres knows them.
func (l *library) build(ctx context.Context) error {
	if err := l.projected(ctx, l.events); err != nil {
		return err
	}
	for _, sql := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := l.pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("prepare the library: %w", err)
		}
	}
	return nil
}

// projected waits until tables and documents have come to a position.
func (l *library) projected(ctx context.Context, position int64) error {
	_, err := climbTo(ctx, position, patience*time.Duration(1+position/buildStep), func() (int64, error) {
		tables, err := l.checkpoint(ctx, "tables")
		if err != nil {
			return 0, err
		}
		documents, err := l.checkpoint(ctx, "documents")
		return min(tables, documents), err
	})
	return err
}

// reading is a question of a user.
type reading struct {
	name   string
	member bool // asked by members, one after the other; else by staff
	// path of question n; after is the cursor of the answer before, empty at first and behind the last page.
	path func(l *library, n int64, after string) string
}

// readings are the questions. Every fee has the words overdue and USD, one loan id has one fee.
func readings() []reading {
	fixed := func(path string) func(*library, int64, string) string {
		return func(*library, int64, string) string { return path }
	}
	paged := func(path string) func(*library, int64, string) string {
		return func(_ *library, _ int64, after string) string {
			if after == "" {
				return path + "?pageNumber=0"
			}
			return path + "?pageRowCount=25&cursor=" + url.QueryEscape(after)
		}
	}
	return []reading{
		{name: "list.first", path: fixed("/fees")},
		{name: "list.cursor", path: paged("/fees")},
		{name: "list.member", member: true, path: fixed("/fees")},
		{name: "list.status", path: fixed("/fees?status=paid&sort=-amount")},
		{name: "search.first", path: fixed("/search/fees")},
		{name: "search.cursor", path: paged("/search/fees")},
		{name: "search.member", member: true, path: fixed("/search/fees?q=overdue")},
		{name: "search.words", path: func(l *library, n int64, _ string) string {
			return "/search/fees?q=" + newID(idLoan, n*7919%int64(l.members*feesOfMember)).String()
		}},
		{name: "search.common", path: fixed("/search/fees?q=overdue+usd")},
		{name: "search.facets", path: fixed("/search/fees?facets=true")},
		{name: "search.member_facets", member: true, path: fixed("/search/fees?facets=true")},
	}
}

// askingMembers is how many members ask in turn.
const askingMembers = 20

// readingTime is the part of the time of a rate that each reading gets.
const readingTime = 5

// reading prepares one question after the other, asked by one client.
func (g *growth) reading(ctx context.Context, r reading) (*asked, error) {
	clients, err := g.clients(ctx, r.member)
	if err != nil {
		return nil, err
	}
	after, n := "", int64(0)
	duration := g.stack.suite.duration / readingTime / turns
	return &asked{
		load:   load{clients: 1, duration: duration},
		warmUp: load{clients: 1, duration: duration, limit: 2 * askingMembers},
		call: func(context.Context, int, int64) error {
			answer, err := clients[n%int64(len(clients))].get(r.path(g.stack.library, n, after))
			if err != nil {
				return err
			}
			after, n = cursorOf(answer), n+1
			return nil
		},
		close: func() {
			for _, c := range clients {
				c.close()
			}
		},
	}, nil
}

// clients returns one of staff, or some of members of all ages.
func (g *growth) clients(ctx context.Context, members bool) ([]*client, error) {
	if !members {
		c, err := dial(ctx, g.stack.url, g.stack.token)
		return []*client{c}, err
	}
	var all []*client
	for i := range int64(askingMembers) {
		token, err := g.stack.sign(newID(idMember, i*int64(g.stack.library.members)/askingMembers).String(), "member")
		if err != nil {
			return nil, err
		}
		c, err := dial(ctx, g.stack.url, token)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// cursorOf returns the cursor of an answer, empty without one. Reading all of the answer would take longer than making it.
func cursorOf(answer []byte) string {
	const key = `"cursor":"`
	at := bytes.LastIndex(answer, []byte(key))
	if at < 0 {
		return ""
	}
	cursor, _, _ := bytes.Cut(answer[at+len(key):], []byte{'"'})
	return string(cursor)
}

// commandClients send commands at the same time.
const commandClients = 16

// commands prepares commands, with tables and documents beside. All libraries get as many payments as the smallest has open fees for.
func (g *growth) commands(kind string) *asked {
	callers := g.stack.callers(kind, commandClients)
	a := &asked{
		load:   load{clients: commandClients, duration: g.stack.suite.duration / turns},
		warmUp: load{clients: commandClients, duration: g.stack.suite.warmUp(), limit: 4 * commandClients},
		call:   callers.call, close: callers.close,
	}
	if kind == pay {
		smallest := int64(g.stack.suite.sizes[0]) / feesOfMember * openFees
		a.load.limit = (smallest - a.warmUp.limit) / turns
	}
	return a
}

// drop removes a database that nobody uses any more.
func (p *postgres) drop(ctx context.Context, database string) error {
	conn, err := p.connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	if _, err := conn.Exec(ctx, "DROP DATABASE "+pgx.Identifier{database}.Sanitize()+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database %s: %w", database, err)
	}
	return nil
}
