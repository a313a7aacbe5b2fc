package eventstore

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// news is what a query of sqlNews found about one stream: where it stands, and its events after the version asked for.
type news struct {
	version  int64
	position int64
	subject  string
	events   []Recorded
}

// newsHead is the number of columns of sqlNews before those of the event.
const newsHead = 4

// readNews adds one row of sqlNews to found, which has an element for each stream asked for.
func readNews(row [][]byte, found []news, scan *scanner) error {
	n := &found[readInt64(row[0])-1]
	if n.version == 0 {
		n.version, n.position, n.subject = readInt64(row[1]), readInt64(row[2]), string(row[3])
	}
	if row[newsHead] == nil {
		return nil
	}
	n.events = append(n.events, Recorded{})
	return scan.scan(row[newsHead:], &n.events[len(n.events)-1])
}

// fetch brings states, one for each id, up to what is committed now, and puts them into the cache.
func (s *Store) fetch(ctx context.Context, ids []StreamID, states []StreamState) error {
	generation := s.generation.Load()
	wanted := make([]streamNews, len(ids))
	for i, id := range ids {
		wanted[i] = streamNews{id, states[i].Version}
	}
	found, err := s.loads.read(ctx, wanted)
	if err != nil {
		return err
	}
	for i, id := range ids {
		n, state := &found[i], &states[i]
		if n.version == 0 {
			*state = StreamState{}
		} else {
			state.Subject = n.subject
			if *state, err = s.fold(ctx, id, *state, n.events); err != nil {
				return err
			}
		}
		s.cache.put(id, cached{StreamState: *state, generation: generation})
	}
	return nil
}

// remembered returns what the cache knows of a stream, folded. What can't be folded isn't known: reading it will say why.
func (s *Store) remembered(ctx context.Context, id StreamID, generation int64) (state StreamState, known bool) {
	hit, known := s.cache.get(id, generation)
	if len(hit.news) == 0 {
		return hit.StreamState, known
	}
	state, err := s.fold(ctx, id, hit.StreamState, hit.news)
	if err != nil {
		return StreamState{}, false
	}
	s.cache.put(id, cached{StreamState: state, generation: generation})
	return state, true
}

// fold extends the state of a stream by the events that follow it. A fault in the folder is an error, not a crash.
func (s *Store) fold(ctx context.Context, id StreamID, base StreamState, events []Recorded) (state StreamState, err error) {
	if len(events) == 0 {
		return base, nil
	}
	for i := range events {
		if want := base.Version + int64(i) + 1; events[i].Version != want {
			return StreamState{}, fmt.Errorf("fold %s: version %d follows where %d should", id, events[i].Version, want)
		}
	}
	defer func() {
		if fault := recover(); fault != nil {
			s.config.Logger.ErrorContext(ctx, "folder panicked", append(faultAttrs(fault), slog.String("stream", id.Name))...)
			err = fmt.Errorf("fold %s: panic: %v", id, fault)
		}
	}()
	value, err := s.config.Folder.Fold(ctx, s.config.Keys, id, base.Value, events)
	if err != nil {
		return StreamState{}, fmt.Errorf("fold %s: %w", id, err)
	}
	last := &events[len(events)-1]
	return StreamState{Version: last.Version, Position: last.Position, Subject: base.Subject, Value: value}, nil
}

// loadView gives the view's streams from index from on their states: from the cache where there is one, which may be behind, else
// from the log. Streams of fresh are taken as empty.
func (s *Store) loadView(ctx context.Context, v *view, from int, fresh []StreamID, generation int64) error {
	var missing []StreamID
	for i := from; i < len(v.ids); i++ {
		state, known := s.remembered(ctx, v.ids[i], generation)
		v.states[i] = state
		if !known && !slices.Contains(fresh, v.ids[i]) {
			missing = append(missing, v.ids[i])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	states := make([]StreamState, len(missing))
	if err := s.fetch(ctx, missing, states); err != nil {
		return err
	}
	for i, id := range missing {
		v.states[v.find(id)] = states[i]
	}
	return nil
}

// findWatched asks which streams a watch finds now.
func (s *Store) findWatched(ctx context.Context, w *Watch) ([]StreamID, error) {
	rows, err := s.pool.Query(ctx, sqlWatched, binaryRows, []string{w.Tenant}, []string{w.Subject}, []string{w.Prefix}, []int64{w.After})
	if err != nil {
		return nil, readFault(ctx, err)
	}
	ids, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (StreamID, error) {
		return StreamID{Tenant: w.Tenant, Name: string(row.RawValues()[1])}, nil
	})
	if err != nil {
		return nil, readFault(ctx, err)
	}
	return ids, nil
}

// readFault says what the error of a query means for a caller: ErrStored for what Postgres can't hold, as a stream's name with a zero
// byte, and ErrBusy for everything that may be better later.
func readFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("read the log: %w", ctx.Err())
	}
	if guilt := blame(err); guilt != nil {
		return guilt.reason
	}
	return fmt.Errorf("%w: read the log: %s", ErrBusy, err.Error())
}

// binaryRows asks for every column in binary format.
var binaryRows = pgx.QueryResultFormats{pgx.BinaryFormatCode}

// noKeys is the vault of a store without one.
type noKeys struct{}

func (noKeys) Key(context.Context, uuid.UUID) (Key, error) { return Key{}, ErrKeyUnknown }
