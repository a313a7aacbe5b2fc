package selfaudit

import (
	"context"
	"fmt"
	"time"

	"payledger/projections/publisher"
	"payledger/readmodels/compare"
)

// ProjectionKafka is in what messages that differ are drift.
const ProjectionKafka = "kafka"

// Tail checks that the ends of our topics hold what the publisher makes of the log.
func Tail(source publisher.Source, read publisher.ReadTail) Check {
	reading := func(ctx context.Context, known []compare.Place) (publisher.Compared, error) {
		var unread error
		compared, err := publisher.CompareTail(ctx, source, func(ctx context.Context, topics []string, since time.Time, each func(publisher.Sent)) (map[string]bool, error) {
			cut, err := read(ctx, topics, since, each)
			unread = err
			return cut, err
		}, known)
		if unread != nil {
			return compared, fmt.Errorf("%w: %w", ErrCantLook, unread)
		}
		return compared, err
	}
	return Check{
		Name: "tail of kafka", Projection: ProjectionKafka,
		Look: func(ctx context.Context, _ compare.Place, limit int) ([]compare.Difference, int, compare.Place, error) {
			compared, err := reading(ctx, nil)
			return compared.Differences, limit, compare.Place{}, err
		},
		Judge: func(ctx context.Context, seen []compare.Difference) ([]compare.Difference, error) {
			places, _ := placesIn(seen)
			compared, err := reading(ctx, places)
			if err != nil {
				return nil, err
			}
			// What isn't at the end any more stays what it was.
			var differing []compare.Difference
			for _, p := range places {
				if !compared.Equal[p] {
					differing = append(differing, compare.Difference{Place: p, What: whatItWas})
				}
			}
			return append(differing, compared.Differences...), nil
		},
	}
}
