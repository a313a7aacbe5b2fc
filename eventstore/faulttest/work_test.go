package faulttest

import (
	"crypto/sha256"
	"errors"

	"github.com/google/uuid"

	"payledger/eventstore"
	"payledger/eventstore/storetest"
)

// errLost is what a decision would answer if it were made on a version that has moved on.
var errLost = errors.New("the counter was not where the stream's version is")

// newCommit returns a command as the API makes them: one event for each stream, a claim, an answer and a route event. Each event
// carries its stream's next number, so a decision on an old version would store a number twice, and be found.
func newCommit(id uuid.UUID, streams ...string) eventstore.Commit {
	// Ids come with the command: decisions are pure.
	eventIDs := make([]uuid.UUID, len(streams))
	for i := range eventIDs {
		eventIDs[i] = uuid.Must(uuid.NewV7())
	}
	commit := storetest.Commit(func(v eventstore.View) (eventstore.Decision, error) {
		d := eventstore.Decision{
			Answer: &eventstore.Answer{Status: 201, Body: id[:], Salt: []byte("salt")},
			Route:  &eventstore.RouteEvent{Topic: "routes", Key: id.String(), Body: id[:]},
		}
		for i, name := range streams {
			count := storetest.Value(v, name).Count
			if count != v.Stream(storetest.Stream(name)).Version {
				return eventstore.Decision{}, errLost
			}
			event := storetest.Event(count + 1)
			event.ID = eventIDs[i]
			d.Appends = append(d.Appends, storetest.Append(name, event))
		}
		return d, nil
	}, streams...)
	commit.ID = id
	commit.Claim = &eventstore.Claim{Tenant: storetest.Tenant, Subject: "caller", Key: id.String(), Fingerprint: sha256.Sum256(id[:])}
	return commit
}
