package faulttest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"payledger/eventstore"
	"payledger/eventstore/storetest"
)

// plan is what a child process does: workers that commit, each on the streams it is given in turn, until they have made Commits
// of them or stdin is closed.
type plan struct {
	URL       string         `json:"url"`
	Streams   [][]string     `json:"streams"` // of each worker; every commit of it appends to all of them
	Commits   int            `json:"commits"` // of each worker; 0 for no end
	Failpoint string         `json:"failpoint"`
	Hit       int64          `json:"hit"` // at which pass of the failpoint the signal is raised
	Signal    syscall.Signal `json:"signal"`
}

// runChild is the main function of a child. It says on stdout what it is about to commit ("intent") and what was acknowledged
// ("ack"), each line at once.
func runChild(text string) int {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fail(err)
	}
	c := &childProcess{plan: p, ctx: context.Background()}
	var err error
	if c.store, err = eventstore.Open(c.ctx, eventstore.Config{URL: p.URL, Folder: storetest.Folder{}, Failpoint: c.failpoint}); err != nil {
		return fail(err)
	}
	if c.rival, err = eventstore.Open(c.ctx, eventstore.Config{URL: p.URL, Folder: storetest.Folder{}}); err != nil {
		return fail(err)
	}
	c.say("ready")
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return fail(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		c.stopped.Store(true)
	}()
	var workers sync.WaitGroup
	for i := range p.Streams {
		workers.Go(func() { c.work(p.Streams[i]) })
	}
	workers.Wait()
	c.store.Close()
	c.rival.Close()
	c.say("stats %d", c.store.Stats().Redecided)
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

type childProcess struct {
	plan    plan
	ctx     context.Context
	store   *eventstore.Store
	rival   *eventstore.Store
	stopped atomic.Bool
	passed  atomic.Int64
	out     sync.Mutex
}

func (c *childProcess) say(format string, args ...any) {
	c.out.Lock()
	defer c.out.Unlock()
	fmt.Fprintf(os.Stdout, format+"\n", args...)
}

// failpoint raises the signal at the named pass. SIGKILL leaves no time for anything; the goroutine must not go on either. SIGSTOP may
// come a moment late, so the goroutine waits here until the process goes on.
func (c *childProcess) failpoint(name string) {
	if name != c.plan.Failpoint || c.passed.Add(1) != c.plan.Hit {
		return
	}
	goesOn := make(chan os.Signal, 1)
	signal.Notify(goesOn, syscall.SIGCONT)
	_ = syscall.Kill(os.Getpid(), c.plan.Signal)
	<-goesOn // never after SIGKILL
}

func (c *childProcess) work(streams []string) {
	for i := 0; !c.stopped.Load() && (c.plan.Commits == 0 || i < c.plan.Commits); i++ {
		commit := newCommit(uuid.Must(uuid.NewV7()), streams...)
		switch c.plan.Failpoint {
		case eventstore.FailNews:
			c.overtake(&commit, streams)
		case eventstore.FailReconnected:
			c.cutWriter()
		}
		c.commit(c.store, commit, len(streams))
	}
}

func (c *childProcess) commit(store *eventstore.Store, commit eventstore.Commit, events int) {
	c.say("intent %s %d", commit.ID, events)
	result, err := store.Commit(c.ctx, commit)
	if err != nil {
		c.say("refused %s %s", commit.ID, err)
		return
	}
	c.say("ack %s %d %d", commit.ID, result.First, result.Last)
}

// overtake lets another store append to the same streams between the decision and its writing: the writer has to read news.
func (c *childProcess) overtake(commit *eventstore.Commit, streams []string) {
	decide, once := commit.Decide, sync.Once{}
	commit.Decide = func(v eventstore.View) (eventstore.Decision, error) {
		once.Do(func() { c.commit(c.rival, newCommit(uuid.Must(uuid.NewV7()), streams...), len(streams)) })
		return decide(v)
	}
}

// cutWriter ends the backends of all writers; a role may do that to its own.
func (c *childProcess) cutWriter() {
	conn, err := pgx.Connect(c.ctx, c.plan.URL)
	if err == nil {
		_, err = conn.Exec(c.ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'payledger writer'`)
		_ = conn.Close(c.ctx)
	}
	if err != nil {
		c.say("refused %s %s", uuid.Nil, err)
	}
}
