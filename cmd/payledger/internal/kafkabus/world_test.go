package kafkabus_test

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/commands"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/internal/ledgertest"
	"payledger/projections/publisher"
	"payledger/readmodels"
	"payledger/readmodels/checkpoints"
)

func masterKey() [32]byte { return [32]byte{1: 2} }

// world is a log that commands are written to, and a broker that publishers send it to.
type world struct {
	cfg       kafkabus.Config
	names     publisher.TopicConfig
	db        *pgtest.DB
	projector *pgxpool.Pool
	vault     *eventstore.Vault
	service   *commands.Service
	reader    *eventstore.Reader
}

func newWorld(t testing.TB, cfg kafkabus.Config) *world {
	t.Helper()
	cfg.Partitions = cmp.Or(cfg.Partitions, 1) // a real Kafka takes its time for each
	w := &world{cfg: cfg, names: names(), db: pgtest.NewFrom(t, storetest.Template())}
	w.projector = w.db.ProjectorPool(t)
	w.vault = eventstore.OpenVault(w.db.AppPool(t), masterKey())
	events := catalog.New()
	store := storetest.OpenOn(t, w.db, func(c *eventstore.Config) { c.Folder, c.Keys = commands.Folder{Catalog: events}, w.vault })
	w.service = &commands.Service{Store: store, Catalog: events, Vault: w.vault}
	w.reader = eventstore.NewReader(w.projector)
	return w
}

// worldOf is a world of a log that is written elsewhere.
func worldOf(t testing.TB, cfg kafkabus.Config, l *ledgertest.Log) *world {
	t.Helper()
	cfg.Partitions = cmp.Or(cfg.Partitions, 1) // a real Kafka takes its time for each
	projector := l.DB.ProjectorPool(t)
	return &world{cfg: cfg, names: names(), db: l.DB, projector: projector, vault: l.Keys, reader: eventstore.NewReader(projector)}
}

func documents() checkpoints.Projection { return checkpoints.Projection{Name: "documents", Version: 2} }

// settings are those of a publisher of this world. Documents count as found at once, unless a test says otherwise.
func (w *world) settings(ctx context.Context) publisher.Config {
	waker := eventstore.NewWaker(w.projector, discard())
	watcher := checkpoints.NewWatcher(w.projector, discard())
	go waker.Run(ctx)
	go watcher.Run(ctx)
	return publisher.Config{
		Source: w.source(), Waker: waker, Checkpoints: watcher,
		Connect: kafkabus.Connect(w.cfg, publisher.Topics(w.names), discard()), IndexAfter: documents(),
		Logger: logger(), Metrics: publisher.NewMetrics(prometheus.NewRegistry()), Now: time.Now,
	}
}

func (w *world) source() publisher.Source {
	return publisher.Source{
		Pool: w.projector, Reader: w.reader, Catalog: catalog.New(), Keys: w.vault, Topics: w.names, IndexUpdatedOnCreatedTopic: true,
	}
}

// publish runs a publisher until stop is called, which returns what Run returned.
func (w *world) publish(t testing.TB, change ...func(*publisher.Config)) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cfg := w.settings(ctx)
	for _, fn := range change {
		fn(&cfg)
	}
	ended := make(chan error, 1)
	go func() { ended <- publisher.Run(ctx, cfg) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

const sqlFound = `
INSERT INTO ledger.checkpoints (projection, version, position) VALUES ('documents', 2, $1)
ON CONFLICT (projection, version) DO UPDATE SET position = excluded.position`

// found says that documents up to a position can be found.
func (w *world) found(t require.TestingT, position int64) {
	_, err := w.projector.Exec(context.Background(), sqlFound, position)
	require.NoError(t, err)
	_, err = w.projector.Exec(context.Background(), "SELECT pg_notify($1, $2)", checkpoints.Channel, checkpoints.Notification(documents(), position))
	require.NoError(t, err)
}

// foundAll says that all documents can be found, now and for a good while.
func (w *world) foundAll(t require.TestingT) { w.found(t, 1_000_000) }

func (w *world) cursors(t require.TestingT) map[string]int64 {
	rows, err := w.projector.Query(context.Background(), "SELECT name, position FROM ledger.cursors")
	require.NoError(t, err)
	at := map[string]int64{}
	for rows.Next() {
		var name string
		var position int64
		require.NoError(t, rows.Scan(&name, &position))
		at[name] = position
	}
	require.NoError(t, rows.Err())
	return at
}

// published waits until the cursors have reached the end of the log.
func (w *world) published(t testing.TB) {
	t.Helper()
	w.publishedWithin(t, patience)
}

// publishedWithin waits so long until the cursors have reached the end of the log.
func (w *world) publishedWithin(t testing.TB, timeout time.Duration) {
	t.Helper()
	head, err := w.reader.Head(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		at := w.cursors(t)
		return at["db"] == head.Position && at["index"] == head.Position && at["route"] == head.Route
	}, timeout, 10*time.Millisecond)
}

// messages returns everything that is on the topics of this world now, of each partition in order.
func (w *world) messages(t testing.TB) []kafkabus.Message {
	t.Helper()
	return w.messagesOn(t, topicNames(publisher.Topics(w.names))...)
}

// messagesOn returns everything that is on topics now.
func (w *world) messagesOn(t testing.TB, topics ...string) []kafkabus.Message {
	t.Helper()
	left := w.ends(t, topics)
	var all []kafkabus.Message
	if len(left) == 0 {
		return all
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, kafkabus.Tail(ctx, w.cfg, topics, 0, func(m kafkabus.Message) error {
		at := partition{m.Topic, m.Partition}
		all = append(all, m)
		if left[at] == m.Offset+1 {
			delete(left, at)
		}
		if len(left) == 0 {
			cancel()
		}
		return nil
	}))
	require.Empty(t, left, "partitions that were not read to their ends")
	return all
}

type partition struct {
	topic string
	n     int32
}

// ends returns the ends of the partitions that hold anything.
func (w *world) ends(t testing.TB, topics []string) map[partition]int64 {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.cfg.Brokers...))
	require.NoError(t, err)
	defer client.Close()
	request := kmsg.NewPtrListOffsetsRequest()
	for _, topic := range topics {
		part := kmsg.NewListOffsetsRequestTopic()
		part.Topic = topic
		for n := range w.cfg.Partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = n, -1
			part.Partitions = append(part.Partitions, p)
		}
		request.Topics = append(request.Topics, part)
	}
	response, err := request.RequestWith(t.Context(), client)
	require.NoError(t, err)
	ends := map[partition]int64{}
	for _, topic := range response.Topics {
		for _, p := range topic.Partitions {
			require.NoError(t, kerr.ErrorForCode(p.ErrorCode))
			if p.Offset > 0 {
				ends[partition{topic.Topic, p.Partition}] = p.Offset
			}
		}
	}
	return ends
}

// request is a command's, with a route event that repeats the answer.
func (w *world) request(topic string) commands.Request {
	id := uuid.Must(uuid.NewV7())
	return w.requestAs(id, time.Now(), topic)
}

func (w *world) requestAs(id uuid.UUID, at time.Time, topic string) commands.Request {
	return commands.Request{
		Tenant: "main", Actor: catalog.Actor{Kind: "staff", ID: staffID, Roles: []string{"staff"}}, CommandID: id, At: at,
		RequestID: "request-" + id.String(), TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Channel: "api",
		Render: func(o commands.Outcome) (eventstore.Answer, *eventstore.RouteEvent, error) {
			answer := eventstore.Answer{Status: 200, Body: []byte(`{}`)}
			if o.Fee == nil || topic == "" {
				return answer, nil, nil
			}
			head := envelope.Head{Status: 200, UserID: staffID, RequestID: "request-" + id.String(), DataName: "fee", Method: "PATCH", Action: "update"}
			answer.Body = envelope.AppendOne(nil, &head, func(dst []byte) []byte { return o.Fee.AppendJSON(dst, true) })
			return answer, &eventstore.RouteEvent{
				Topic: w.names.Route(topic), Key: "request-" + id.String(), Headers: map[string]string{"ledger-tenant": "main"}, Body: answer.Body,
			}, nil
		},
	}
}

const (
	userID  = "01937b2a-0000-7000-8000-0000000000aa"
	staffID = "01937b2a-0000-7000-8000-0000000000bb"
	loanID  = "5f43a1b2c3d4e5f6a7b8c9d0"
)

func usd(minor int64) money.Amount {
	cur, err := money.ParseCurrency("USD")
	if err != nil {
		panic(err)
	}
	return money.New(minor, cur)
}

// assess makes a fee and returns its id.
func (w *world) assess(t require.TestingT, minor int64) string {
	id := uuid.Must(uuid.NewV7()).String()
	_, err := w.service.AssessFee(context.Background(), w.request("fee-created"), commands.NewFee{
		FeeID: id, UserID: userID, LoanID: loanID, Amount: usd(minor), Reason: "overdue", Note: "three weeks late",
	})
	require.NoError(t, err)
	return id
}

// patch sets a fee's status or note.
func (w *world) patch(t require.TestingT, feeID string, status readmodels.FeeStatus, note string) {
	p := patchOf(feeID, &status, note)
	if status == readmodels.FeeUnpaid {
		p.Status = nil
	}
	_, err := w.service.PatchFee(context.Background(), w.request("fee-updated"), p)
	require.NoError(t, err)
}

func patchOf(feeID string, status *readmodels.FeeStatus, note string) commands.FeePatch {
	return commands.FeePatch{FeeID: feeID, Status: status, Note: note}
}

// pay takes cash for some fees, each the given share.
func (w *world) pay(t require.TestingT, minor int64, shares ...payment.Share) {
	_, err := w.service.RecordPayment(context.Background(), w.request(""), paymentOf(minor, shares...))
	require.NoError(t, err)
}

func paymentOf(minor int64, shares ...payment.Share) commands.NewPayment {
	return commands.NewPayment{UserID: userID, Tender: payment.TenderCash, Amount: usd(minor), Shares: shares, Note: "at the desk"}
}

func share(feeID string, minor int64) payment.Share {
	return payment.Share{FeeID: feeID, Amount: usd(minor)}
}

// deduped removes messages whose topic and ce_id came before.
func deduped(all []kafkabus.Message) []kafkabus.Message {
	seen := map[string]bool{}
	var once []kafkabus.Message
	for _, m := range all {
		id := m.Topic + " " + m.Headers["ce_id"]
		if !seen[id] {
			seen[id] = true
			once = append(once, m)
		}
	}
	return once
}

func where(all []kafkabus.Message, topic string) []kafkabus.Message {
	var some []kafkabus.Message
	for _, m := range all {
		if m.Topic == topic {
			some = append(some, m)
		}
	}
	return some
}

func (w *world) log(t testing.TB) []eventstore.Recorded {
	t.Helper()
	events, err := w.reader.ReadAll(t.Context(), 0, 1_000_000)
	require.NoError(t, err)
	return events
}

// logger prints what publishers say when LOG is set.
func logger() *slog.Logger {
	if os.Getenv("LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return discard()
}
