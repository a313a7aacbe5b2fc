package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

// growthSteps measure lists, searches and commands on libraries of growing size, each a database of its own, filled through the
// log and the projectors. What a user waits for should not grow with the library.
func (o options) growthSteps() []step {
	var all []step
	for _, size := range o.sizes {
		g := growth{size: size, base: o.sizes[0]}
		names := []string{}
		for _, r := range readings() {
			names = append(names, g.name(r.name)+".p50", g.name(r.name)+".p99")
		}
		for _, kind := range []string{assess, pay} {
			names = append(names, g.name(kind), g.name(kind)+".p50", g.name(kind)+".p99")
		}
		all = append(all, step{names: names, run: g.measure})
	}
	return all
}

// growth is the measurement of one size.
type growth struct {
	size, base int
	stack      *stack
}

// name is how a figure is called; the size stands last but for the percentile.
func (g *growth) name(what string) string { return fmt.Sprintf("growth.%s.%d", what, g.size) }

// add reports a figure, with its ratio to that of the smallest size.
func (g *growth) add(what, part string, value float64, unit string) {
	base := ""
	if g.size != g.base {
		base = fmt.Sprintf("growth.%s.%d%s", what, g.base, part)
	}
	g.stack.suite.report.add(g.name(what)+part, value, unit, base)
}

func (g growth) measure(ctx context.Context, s *suite) (err error) {
	l, err := s.newLibrary(ctx, fmt.Sprintf("growth_%d", g.size), (g.size+feesOfMember-1)/feesOfMember)
	if err != nil {
		return err
	}
	g.stack = &stack{suite: s, library: l}
	defer func() {
		err = errors.Join(err, g.stack.close())
		l.close()
		if err == nil {
			err = s.postgres.drop(ctx, l.database)
		}
	}()
	if err := errors.Join(g.stack.build(ctx), g.stack.configure(ctx)); err != nil {
		return err
	}
	if g.stack.projector, err = g.stack.role(ctx, "project", "project", "tables", "documents"); err != nil {
		return err
	}
	if err := l.build(ctx); err != nil {
		return err
	}
	if err := g.stack.serve(ctx); err != nil {
		return err
	}
	for _, r := range readings() {
		if !s.only.MatchString(g.name(r.name)+".p50") && !s.only.MatchString(g.name(r.name)+".p99") {
			continue
		}
		if err := g.read(ctx, r); err != nil {
			return err
		}
	}
	for _, kind := range []string{assess, pay} {
		if s.only.MatchString(g.name(kind)) {
			if err := g.command(ctx, kind); err != nil {
				return err
			}
		}
	}
	return nil
}

// buildStep is how many events the projectors get one more patience for: what is built at once shows its checkpoint at the end only.
const buildStep = 300_000

// build waits until the read models are built and Postgres knows them.
func (l *library) build(ctx context.Context) error {
	if _, err := climbTo(ctx, l.events, patience*time.Duration(1+l.events/buildStep), func() (int64, error) {
		tables, err := l.checkpoint(ctx, "tables")
		if err != nil {
			return 0, err
		}
		documents, err := l.checkpoint(ctx, "documents")
		return min(tables, documents), err
	}); err != nil {
		return err
	}
	for _, sql := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := l.pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("prepare the library: %w", err)
		}
	}
	return nil
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

// read measures one question after the other, asked by one client.
func (g *growth) read(ctx context.Context, r reading) error {
	clients, err := g.clients(ctx, r.member)
	if err != nil {
		return err
	}
	after := ""
	ask := func(_ context.Context, _ int, n int64) error {
		client := clients[n%int64(len(clients))]
		answer, err := client.get(r.path(g.stack.library, n, after))
		if err != nil {
			return err
		}
		after = cursorOf(answer)
		return nil
	}
	defer func() {
		for _, c := range clients {
			c.close()
		}
	}()
	duration := g.stack.suite.duration / readingTime
	if _, err := (load{clients: 1, duration: duration, limit: 2 * askingMembers}).run(ctx, ask); err != nil { // the first calls don't count
		return err
	}
	got, err := load{clients: 1, duration: duration}.run(ctx, ask)
	if err != nil {
		return err
	}
	g.add(r.name, ".p50", got.percentile(0.5), millisecond)
	g.add(r.name, ".p99", got.percentile(0.99), millisecond)
	return nil
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

// command measures commands, with tables and documents beside.
func (g *growth) command(ctx context.Context, kind string) error {
	callers := g.stack.callers(kind, commandClients)
	defer callers.close()
	if _, err := (load{clients: commandClients, duration: g.stack.suite.warmUp(), limit: 10 * commandClients}).run(ctx, callers.call); err != nil {
		return err
	}
	got, err := load{clients: commandClients, duration: g.stack.suite.duration}.run(ctx, callers.call)
	if err != nil {
		return err
	}
	g.add(kind, "", got.perSecond(), perSecond)
	g.add(kind, ".p50", got.percentile(0.5), millisecond)
	g.add(kind, ".p99", got.percentile(0.99), millisecond)
	return nil
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
