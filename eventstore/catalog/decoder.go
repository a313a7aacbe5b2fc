package catalog

import (
	"bytes"
	"context"
	"strings"
	"unsafe"

	"payledger/eventstore"
)

// Decoder decodes events for folds, as Catalog.Decode does, but for the metadata: of that it keeps what folds look at, Actor and At. The same few
// actors stand in most of a log, so it remembers them. It belongs to one goroutine.
type Decoder struct {
	catalog *Catalog
	actors  map[string]Actor // by their text, up to the end of the object but for its brace
}

// maxActors bounds the actors that a Decoder remembers.
const maxActors = 4096

// Decoder returns a decoder for folds.
func (c *Catalog) Decoder() *Decoder { return &Decoder{catalog: c, actors: make(map[string]Actor)} }

// Decode reads an event of the log. Its errors are those of Catalog.Decode. The event keeps nothing of the payload's memory, which may be used again.
func (d *Decoder) Decode(ctx context.Context, keys eventstore.Keys, rec *eventstore.Recorded) (Event, error) {
	ev, err := d.catalog.decodeData(ctx, keys, rec)
	if err != nil {
		return Event{}, err
	}
	actorEnds := bytes.Index(rec.Metadata, []byte(`},"at":`)) // within a text its quotes would be escaped
	if actorEnds > 0 {
		if actor, known := d.actors[string(rec.Metadata[:actorEnds])]; known {
			if m, ok := readRest(rec.Metadata[actorEnds:]); ok {
				ev.Meta = Meta{Actor: actor, At: m.At}
				return ev, nil
			}
		}
	}
	m, err := d.catalog.decodeMeta(rec)
	if err != nil {
		return Event{}, err
	}
	for i, role := range m.Actor.Roles { // clones, so that the rest of the metadata isn't kept with them
		m.Actor.Roles[i] = strings.Clone(role)
	}
	ev.Meta = Meta{Actor: Actor{Kind: strings.Clone(m.Actor.Kind), ID: strings.Clone(m.Actor.ID), Roles: m.Actor.Roles}, At: m.At}
	if len(d.actors) >= maxActors {
		clear(d.actors)
	}
	if actorEnds > 0 {
		d.actors[string(rec.Metadata[:actorEnds])] = ev.Meta.Actor
	}
	return ev, nil
}

// readRest reads the metadata from the end of its actor on. Its texts are good as long as the bytes.
func readRest(data []byte) (Meta, bool) {
	s := scanner{rest: unsafe.String(&data[0], len(data)), size: len(data)} //nolint:gosec // read only, and nothing of it is kept
	var m Meta
	s.metaRest(&m)
	return m, !s.cold && s.rest == ""
}
