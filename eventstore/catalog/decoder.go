package catalog

import (
	"bytes"
	"context"
	"strings"
	"unsafe"

	"payledger/eventstore"
)

// Decoder decodes events for folds, as Catalog.Decode does, but for the metadata: of that it reads what folds look at, Actor and At, and nothing
// behind. The same few actors stand in most of a log, so it remembers them. It belongs to one goroutine.
type Decoder struct {
	catalog *Catalog
	actors  map[string]Actor // by their text, up to the end of the object but for its brace
	entry   *entry           // of the event before: the next is often like it
}

// maxActors bounds the actors that a Decoder remembers.
const maxActors = 4096

// Decoder returns a decoder for folds.
func (c *Catalog) Decoder() *Decoder { return &Decoder{catalog: c, actors: make(map[string]Actor)} }

// Decode reads an event of the log into ev, which is zero or was read into before. Its errors are those of Catalog.Decode; metadata that is cut
// off behind At is none. The event keeps nothing of the memory of payload and stream name, which may be used again; but with lent it is good only as
// long as these are.
func (d *Decoder) Decode(ctx context.Context, keys eventstore.Keys, rec *eventstore.Recorded, ev *Event, lent bool) error {
	if d.entry == nil || d.entry.name != rec.Type || d.entry.schema != rec.Schema {
		d.entry = d.catalog.byName[wireName{rec.Type, rec.Schema}]
	}
	if err := d.catalog.decodeData(ctx, keys, rec, d.entry, ev, lent); err != nil {
		return err
	}
	if !lent {
		ev.Stream.Name = strings.Clone(ev.Stream.Name)
	}
	actorEnds := bytes.Index(rec.Metadata, []byte(`},"at":`)) // within a text its quotes would be escaped
	known := false
	if actorEnds > 0 {
		ev.Meta.Actor, known = d.actors[string(rec.Metadata[:actorEnds])]
	}
	if !readHead(rec.Metadata, &ev.Meta, actorEnds, known) {
		m, err := d.catalog.decodeMeta(rec)
		if err != nil {
			return err
		}
		ev.Meta.Actor, ev.Meta.At = m.Actor, m.At
	}
	if known {
		return nil
	}
	ev.Meta.Actor = ev.Meta.Actor.clone()
	if len(d.actors) >= maxActors {
		clear(d.actors)
	}
	if actorEnds > 0 {
		d.actors[string(rec.Metadata[:actorEnds])] = ev.Meta.Actor
	}
	return nil
}

// clone returns a copy with texts of its own, so that what they were read from isn't kept with them.
func (a Actor) clone() Actor {
	roles := make([]string, len(a.Roles))
	for i, role := range a.Roles {
		roles[i] = strings.Clone(role)
	}
	return Actor{Kind: strings.Clone(a.Kind), ID: strings.Clone(a.ID), Roles: roles}
}

// lend returns bytes as a text, which is good as long as they are.
func lend(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // read only

// readHead reads the actor, unless it is known, and the time of metadata. Texts that it reads are good as long as the bytes.
func readHead(data []byte, m *Meta, actorEnds int, known bool) bool {
	s := scanner{rest: lend(data), size: len(data)} // what is kept of it is cloned
	if known {
		s.rest = s.rest[actorEnds:]
	} else {
		m.Actor = s.actor()
	}
	m.At = s.instant(`},"at":"`)
	s.take(`,"requestId":"`)
	return !s.cold
}
