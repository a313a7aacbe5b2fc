package commands_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"payledger/commands"
	"payledger/domain/fee"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// benchCallers is how many commands are on their way at a time, for each processor.
const benchCallers = 32

// deciding makes decisions and stores nothing: what a command costs us without the store.
type deciding struct{ states map[string]any }

func (s deciding) Commit(_ context.Context, c eventstore.Commit) (eventstore.Result, error) {
	d, err := c.Decide(s)
	if err != nil {
		return eventstore.Result{}, err
	}
	return eventstore.Result{Answer: *d.Answer}, nil
}

func (s deciding) Stream(id eventstore.StreamID) eventstore.StreamState {
	if value, ok := s.states[id.Name]; ok {
		return eventstore.StreamState{Version: 1, Value: value}
	}
	return eventstore.StreamState{}
}

func (s deciding) Has(eventstore.StreamID) bool { return true }

func (s deciding) Watched() []eventstore.StreamID { return nil }

func benchRequest(n int64) commands.Request {
	return commands.Request{
		Tenant: tenant, Actor: catalog.Actor{Kind: "staff", ID: "01937b2a-0000-7000-8000-0000000000bb", Roles: []string{"staff"}}, Channel: "api",
		CommandID: uuid.Must(uuid.NewV7()), At: start().Add(time.Duration(n) * time.Millisecond), RequestID: "01937b2a00007000800000000000000bb",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Render: render,
	}
}

func BenchmarkDecideAssess(b *testing.B) {
	s := commands.Service{Store: deciding{}, Catalog: catalog.New()}
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		_, err := s.AssessFee(b.Context(), benchRequest(n), commands.NewFee{UserID: "01937b2a-0000-7000-8000-0000000000cc", Amount: usd("12.5"), Reason: "overdue"})
		require.NoError(b, err)
	}
}

func BenchmarkDecidePay(b *testing.B) {
	c := catalog.New()
	assessed := fee.Assessed{FeeID: "f1", UserID: "u1", Amount: usd("12.5"), Reason: "overdue", AssessedAt: start()}
	stream := eventstore.StreamID{Tenant: tenant, Name: fee.Stream("f1")}
	ev, err := c.Encode(catalog.EncodeArgs{Stream: stream, ID: uuid.Must(uuid.NewV7()), Data: assessed, EffectiveAt: start()})
	require.NoError(b, err)
	value, err := commands.Folder{Catalog: c}.Fold(b.Context(), nil, stream, nil, []eventstore.Recorded{{NewEvent: ev, Stream: stream, Version: 1}})
	require.NoError(b, err)
	s := commands.Service{Store: deciding{map[string]any{stream.Name: value}}, Catalog: c}
	p := cash("u1", usd("12.5"), share("f1", usd("12.5")))
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		_, err := s.RecordPayment(b.Context(), benchRequest(n), p)
		require.NoError(b, err)
	}
}

// BenchmarkAssess and BenchmarkPay run whole commands on a real store whose server doesn't wait for its disk. cpu_us/op is our
// process's own processor time per command, without Postgres.
func BenchmarkAssess(b *testing.B) {
	d := setup(b)
	d.benchmark(b, func(n int64) error {
		_, err := d.AssessFee(b.Context(), benchRequest(n), commands.NewFee{UserID: fmt.Sprint("u", n), Amount: usd("12.5"), Reason: "overdue"})
		return err
	})
}

func BenchmarkPay(b *testing.B) {
	d := setup(b)
	var fees []string
	d.benchmark(b, func(n int64) error {
		p := cash(fmt.Sprint("u", n), usd("12.5"), share(fees[n], usd("12.5")))
		_, err := d.RecordPayment(b.Context(), benchRequest(n), p)
		return err
	}, func() { fees = d.assessMany(b, b.N) })
}

func (d *desk) benchmark(b *testing.B, command func(n int64) error, prepare ...func()) {
	b.Helper()
	for _, fn := range prepare {
		fn()
	}
	var next atomic.Int64
	b.SetParallelism(benchCallers)
	b.ReportAllocs()
	b.ResetTimer()
	before := processorTime(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := command(next.Add(1) - 1); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu_us/op")
}

func (d *desk) assessMany(b *testing.B, count int) []string {
	b.Helper()
	fees := make([]string, count)
	work := make(chan int)
	done := make(chan error)
	for range benchCallers * runtime.GOMAXPROCS(0) {
		go func() {
			var failed error
			for n := range work {
				fees[n] = newID()
				p := commands.NewFee{FeeID: fees[n], UserID: fmt.Sprint("u", n), Amount: usd("12.5"), Reason: "overdue"}
				if _, err := d.AssessFee(b.Context(), benchRequest(0), p); err != nil {
					failed = err
				}
			}
			done <- failed
		}()
	}
	for n := range count {
		work <- n
	}
	close(work)
	for range benchCallers * runtime.GOMAXPROCS(0) {
		require.NoError(b, <-done)
	}
	return fees
}

// processorTime is what this process has used so far, in user and system mode.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
