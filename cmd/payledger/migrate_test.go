package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"payledger/cmd/payledger/internal/devstack"
	"payledger/cmd/payledger/internal/kafkabus"
	"payledger/eventstore"
	"payledger/eventstore/pgtest"
	"payledger/eventstore/storetest"
	"payledger/projections/publisher"
	"payledger/proof"
)

// However much a restore takes back, the next epoch is above all that the clock, the file of checkpoints and the journal topic tell of. What
// can't be asked must not be passed over.
func TestNewEpochIsANewOne(t *testing.T) {
	t.Parallel()
	db := pgtest.NewFrom(t, storetest.Template())
	clock := time.Date(2026, 1, 11, 0, 30, 0, 0, time.UTC) // in hour 240 of the year
	env := []string{"DATABASE_URL=" + db.OwnerURL}
	begin := func(settings ...string) (code int, talk string) {
		var out, told bytes.Buffer
		a := newApp(append(env, settings...), &out, &told)
		a.now = func() time.Time { return clock }
		return a.execute(t.Context(), []string{"migrate", "--new-epoch"}), told.String()
	}
	epoch := func() int64 {
		head, err := eventstore.NewReader(db.AppPool(t)).Head(t.Context())
		require.NoError(t, err)
		return head.Epoch
	}
	super := db.Pool(t)
	restored := func(want int64, settings ...string) {
		t.Helper()
		_, err := super.Exec(t.Context(), "UPDATE ledger.head SET epoch = 1")
		require.NoError(t, err)
		code, talk := begin(settings...)
		require.Equal(t, exitDone, code, talk)
		require.Contains(t, talk, "epoch "+strconv.FormatInt(want, 10)+";")
		require.Equal(t, want, epoch())
	}
	restored(240)

	file := filepath.Join(t.TempDir(), "checkpoints")
	restored(240, "CHECKPOINT_FILE="+file)
	private, _, err := proof.NewKey("ledger.example.org/library")
	require.NoError(t, err)
	signers, err := proof.ParseSigners(private)
	require.NoError(t, err)
	note, err := signers.Sign(proof.Checkpoint{Origin: signers.Origin(), Size: 3, Epoch: 240, SignedAt: clock.Truncate(time.Second)})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(note, "\ncut off"...), 0o400))
	restored(241, "CHECKPOINT_FILE="+file)

	kafka, err := devstack.StartKafka(t.Context(), t.TempDir(), "127.0.0.1:0")
	require.NoError(t, err)
	defer kafka.Close()
	brokers := "KAFKA_BROKERS=" + kafka.Addr()
	restored(240, brokers)
	const journal = "librarymanagementsystem-payment-service-journal"
	require.NoError(t, kafkabus.EnsureTopics(t.Context(), kafkabus.Config{Brokers: []string{kafka.Addr()}}, []publisher.Topic{{Topic: journal}}))
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Addr()))
	require.NoError(t, err)
	defer client.Close()
	send := func(epoch string) {
		require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{
			Topic: journal, Key: []byte("key"), Headers: []kgo.RecordHeader{{Key: "ledger-epoch", Value: []byte(epoch)}},
		}).FirstErr())
	}
	for range 5 { // a replay, say
		send("1")
	}
	send("250")
	send("of somebody else")
	restored(251, brokers, "CHECKPOINT_FILE="+file)

	clock = clock.Add(20 * time.Hour)
	restored(260, brokers, "CHECKPOINT_FILE="+file)

	for _, setting := range []string{"KAFKA_BROKERS=127.0.0.1:1", "CHECKPOINT_FILE=" + filepath.Dir(file)} {
		code, _ := begin(setting)
		require.NotEqual(t, exitDone, code, setting)
		require.EqualValues(t, 260, epoch(), setting)
	}
}
