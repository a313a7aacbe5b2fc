package publisher

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"payledger/eventstore"
	"payledger/readmodels/compare"
)

const (
	// tailWindow is how many of the last published positions must stand on Kafka whole.
	tailWindow = 128
	// tailOlder bounds the positions before the window whose messages are compared where they stand.
	tailOlder = 32
	// tailSlack is by how much the clocks of database and publisher may differ.
	tailSlack = 10 * time.Second
)

// Sent is a message as it stands on Kafka.
type Sent struct {
	Topic     string
	Partition int32
	Key       string
	Headers   map[string]string
	Value     []byte    // nil of a tombstone
	At        time.Time // of the message, as Kafka has it
}

// ReadTail hands over the ends of topics: of each partition what came since a time, in order, and some messages before. Topics of which not
// everything since then is there, or which are too long to read, are returned as cut.
type ReadTail func(ctx context.Context, topics []string, since time.Time, each func(Sent)) (cut map[string]bool, err error)

// message names one: messages of one topic with one ce_id are the same.
type messageID struct{ topic, id string }

// Compared is what a comparison of the tail came to.
type Compared struct {
	Differences []compare.Difference // missing or changed; the object is the topic, the id the ce_id
	Equal       map[compare.Place]bool
}

// CompareTail holds the ends of our topics against the log: what was published of the last positions must stand there, and whatever stands
// there must be what the log says, texts of erased people excepted. Of a message that stands there several times the latest counts, in
// whichever partitions they are.
// Places that were found to differ earlier are looked at first.
func CompareTail(ctx context.Context, c Source, read ReadTail, known []compare.Place) (Compared, error) {
	published, _, err := readCursors(ctx, c.Pool) // missing ones stand at 0: the publisher halts by them
	if err != nil {
		return Compared{}, err
	}
	until := min(published.db, published.index)
	t := tail{Source: c, published: published, from: max(0, until-tailWindow), until: until, stand: make(map[messageID]Sent)}
	if until == 0 {
		return Compared{}, nil
	}
	first, err := c.Reader.ReadAll(ctx, t.from, 1)
	if err != nil || len(first) == 0 {
		return Compared{}, err
	}
	var topics []string
	for _, topic := range Topics(c.Topics) {
		topics = append(topics, topic.Topic)
	}
	t.cut, err = read(ctx, topics, first[0].RecordedAt.Add(-tailSlack), t.add)
	if err != nil {
		return Compared{}, err
	}
	return t.compare(ctx, known)
}

// tail is a comparison under way.
type tail struct {
	Source
	published   cursors
	from, until int64 // the window: positions after from
	stand       map[messageID]Sent
	older       []messageID // of positions before the window, as they came
	cut         map[string]bool
	result      Compared
}

// add keeps a message that will be compared.
func (t *tail) add(m Sent) {
	id := messageID{m.Topic, m.Headers[headerID]}
	at := positionIn(m)
	if at == 0 || at > t.until {
		return
	}
	before, again := t.stand[id]
	if again && m.At.Before(before.At) {
		return
	}
	if !again && at <= t.from {
		t.older = append(t.older, id)
	}
	t.stand[id] = m
}

func positionIn(m Sent) int64 {
	at, err := strconv.ParseInt(m.Headers[headerPosition], 10, 64)
	if err != nil {
		return 0
	}
	return at
}

func (t *tail) compare(ctx context.Context, known []compare.Place) (Compared, error) {
	t.result.Equal = make(map[compare.Place]bool)
	erased, err := t.Reader.LastErased(ctx)
	if err != nil {
		return Compared{}, err
	}
	if err := t.stretch(ctx, t.from, t.until, erased, true); err != nil {
		return Compared{}, err
	}
	for _, at := range t.olderPositions(known) {
		if err := t.stretch(ctx, at-1, at, erased, false); err != nil {
			return Compared{}, err
		}
	}
	return t.result, nil
}

// olderPositions returns positions before the window of which messages stand there: first those that are known, then the newest.
func (t *tail) olderPositions(known []compare.Place) []int64 {
	first := make(map[int64]bool)
	all := make(map[int64]bool)
	for _, id := range t.older {
		at := positionIn(t.stand[id])
		all[at] = true
		if slices.ContainsFunc(known, func(p compare.Place) bool { return p.Object == id.topic && p.ID == id.id }) {
			first[at] = true
		}
	}
	list := slices.SortedFunc(maps.Keys(all), func(a, b int64) int {
		if first[a] != first[b] {
			if first[a] {
				return -1
			}
			return 1
		}
		return cmp.Compare(b, a)
	})
	return list[:min(len(list), tailOlder)]
}

// stretch renders positions again and compares their messages with those that stand there; whole says that none may be missing.
func (t *tail) stretch(ctx context.Context, after, until, erased int64, whole bool) error {
	log, err := newAgain(ctx, t.Source, after)
	if err != nil {
		return err
	}
	log.lastRoute = t.published.route
	for after < until {
		page, err := log.page(ctx, after, until)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return errEndsBefore
		}
		for _, r := range page {
			for _, o := range r.sent {
				t.hold(r.rec, &o, erased >= r.rec.Position, whole)
			}
			after = r.rec.Position
		}
	}
	return nil
}

// hold compares one message. Checkpoints are no part of the log: one that isn't there may not have been sent yet.
func (t *tail) hold(rec *eventstore.Recorded, o *outgoing, erased, whole bool) {
	meta := o.msg.Metadata
	place := compare.Place{Tenant: meta[headerTenant], Object: o.topic, ID: meta[headerID]}
	m, ok := t.stand[messageID{o.topic, meta[headerID]}]
	what := "missing"
	switch {
	case ok:
		what = differs(o, m, erased)
	case !whole, t.cut[o.topic], meta[headerSchema] == schemaCheckpoint:
		return
	}
	if what == "" {
		t.result.Equal[place] = true
		return
	}
	t.result.Differences = append(t.result.Differences, compare.Difference{
		Place: place, Stream: eventstore.StreamID{Tenant: meta[headerTenant], Name: meta[headerStream]}, What: what,
		Wanted: &compare.Row{Columns: []string{"position"}, Values: []any{rec.Position}},
	})
}

// differs says in what a message differs from the one that the log leads to, without what stands there.
func differs(o *outgoing, m Sent, erased bool) string {
	if m.Key != o.msg.Metadata[KeyMetadata] {
		return "changed: key"
	}
	want, got := maps.Clone(map[string]string(o.msg.Metadata)), maps.Clone(m.Headers)
	delete(want, KeyMetadata)
	delete(got, headerReplay)
	delete(got, headerTopic)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			return "changed: header " + name
		}
		delete(got, name)
	}
	if len(got) > 0 {
		return "changed: further headers"
	}
	value, stands := []byte(o.msg.Payload), m.Value
	if erased && !bytes.Equal(value, stands) {
		value, stands = withoutTexts(value), withoutTexts(stands)
	}
	if !bytes.Equal(value, stands) {
		return "changed: value"
	}
	return ""
}

// texts are the personal ones, as ledger.without_texts has them.
var texts = regexp.MustCompile(`"(note|cardHolderName|cardHolderZip)":"([^"\\]|\\.)*"`)

func withoutTexts(value []byte) []byte { return texts.ReplaceAll(value, []byte(`"$1":null`)) }
