package main

import (
	"context"
	"fmt"

	"payledger/eventstore"
	"payledger/projections"
	"payledger/projections/bulk"
	"payledger/readmodels/digest"
)

// shorterLogError says that the log ends before a checkpoint of what was made from it: its tail is cut off.
type shorterLogError struct{ end, checkpoint int64 }

func (e *shorterLogError) Error() string {
	return fmt.Sprintf("the log ends at %d: the tail is cut off", e.end)
}

// replayPage is the number of events that are read at once.
const replayPage = 4096

// replayed sums up what a read model should hold at a position. A log with more streams than may be held at the same time is read several times,
// for one share of the rows after the other.
func (l *ledger) replayed(ctx context.Context, p projections.Postgres, upTo, maxStreams int64) (digest.Sum, error) {
	ends, held, err := l.reader.Ends(ctx, upTo, p.Bulk.Brief)
	if err != nil {
		return digest.Sum{}, err
	}
	if p.ReplayShare == nil {
		return l.replay(ctx, p.NewReplay(), ends, upTo)
	}
	shares := int(max(1, (held+maxStreams-1)/maxStreams))
	var sum digest.Sum
	for n := range shares {
		share, err := l.replay(ctx, p.ReplayShare(bulk.Share{Number: n, Of: shares}), ends, upTo)
		if err != nil {
			return digest.Sum{}, err
		}
		sum.AddAll(share)
	}
	return sum, nil
}

func (l *ledger) replay(ctx context.Context, replay projections.Replay, ends eventstore.Ends, upTo int64) (digest.Sum, error) {
	for after := int64(0); after < upTo; {
		page, err := l.reader.ReadAll(ctx, after, int(min(replayPage, upTo-after)))
		if err != nil {
			return digest.Sum{}, err
		}
		if len(page) == 0 {
			return digest.Sum{}, &shorterLogError{end: after, checkpoint: upTo}
		}
		for i := range page {
			event, err := l.catalog.Decode(ctx, l.vault, &page[i])
			if err != nil {
				return digest.Sum{}, err
			}
			if err := replay.Apply(event); err != nil {
				return digest.Sum{}, err
			}
			if after = event.Position; ends.Last(after) {
				replay.End(event.Stream)
			}
		}
	}
	return replay.Sum(), nil
}
