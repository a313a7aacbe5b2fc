package audit

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"payledger/domain/evidence"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/internal/jsontext"
	"payledger/readmodels/history"
)

// Stored is a report as it was made, and when.
type Stored struct {
	Report
	MadeAt   time.Time
	MadeBy   catalog.Actor
	Position int64 // of the event that says so
}

// AppendJSON appends the stored report as one JSON object.
func (s *Stored) AppendJSON(dst []byte) []byte {
	dst = s.Report.AppendJSON(append(dst, `{"report":`...))
	return append(jsontext.AppendTime(append(dst, `,"madeAt":`...), s.MadeAt), '}')
}

// Report returns a stored report by its id. Errors: ErrNotFound.
func (r Reader) Report(ctx context.Context, tenant, id string) (Stored, error) {
	recorded, err := r.Log.ReadFirst(ctx, []eventstore.StreamID{{Tenant: tenant, Name: evidence.ReportStream(id)}})
	if err != nil {
		return Stored{}, fmt.Errorf("report %s: %w", id, err)
	}
	if len(recorded) == 0 {
		return Stored{}, fmt.Errorf("report %s: %w", id, ErrNotFound)
	}
	ev, err := r.Catalog.Decode(ctx, r.Keys, &recorded[0])
	if err != nil {
		return Stored{}, fmt.Errorf("report %s: %w", id, err)
	}
	made, ok := ev.Data.(evidence.ReportMade)
	if !ok {
		return Stored{}, fmt.Errorf("report %s: %w: %s", id, ErrNotFound, ev.Type)
	}
	stored := Stored{
		Report: Report{
			ID: made.ReportID, Form: made.Form, Rows: int64(made.Rows), Notes: int64(made.Notes), Shown: int64(made.Shown), Totals: made.Totals,
			Params: Params{
				Tenant: tenant, Kind: made.Kind, Filters: made.Filters,
				Bounds: Bounds{From: made.From, AsOf: made.AsOf, KnownAt: int64(made.KnownAt)},
			},
		},
		MadeAt: ev.Meta.At, MadeBy: ev.Meta.Actor, Position: ev.Position,
	}
	if err := unhex(stored.Digest[:], made.Digest); err != nil {
		return Stored{}, fmt.Errorf("report %s: %w", id, err)
	}
	if err := unhex(stored.HeadHash[:], made.HeadHash); err != nil {
		return Stored{}, fmt.Errorf("report %s: %w", id, err)
	}
	return stored, nil
}

func unhex(dst []byte, text string) error {
	b, err := hex.DecodeString(text)
	if err == nil && len(b) != len(dst) {
		err = hex.ErrLength
	}
	copy(dst, b)
	return err
}

// Reproduction is a report made again.
type Reproduction struct {
	Stored Stored
	Again  Report // of the same params
	// Identical tells whether rows, totals and the hash of the chain are the same. If not, the log or the rules were changed.
	Identical bool
	// Gone is how many notes the report showed that can't be read any more: their people are erased, or, if Sealed, these keys open nothing.
	Gone   int64
	Sealed bool
	// Today is the report with what is known now. The same as Again if nothing was learnt since.
	Today Report
	// Learnt are the events that were recorded since and that the report is made of today: at most MaxLearnt of Count.
	Learnt []history.Entry
	Count  int
	Head   int64 // position up to which was looked
}

// MaxLearnt bounds the events that a Reproduction lists.
const MaxLearnt = 500

// Reproduce makes a stored report again: by what was known then, and by what is known now. Errors: ErrNotFound, ErrOtherForm.
func (r Reader) Reproduce(ctx context.Context, tenant, id string) (Reproduction, error) {
	stored, err := r.Report(ctx, tenant, id)
	if err != nil {
		return Reproduction{}, err
	}
	kind, err := KindOf(stored.Kind)
	if err != nil {
		return Reproduction{}, err
	}
	if kind, err = kind.as(stored.Form); err != nil {
		return Reproduction{}, err
	}
	res := Reproduction{Stored: stored, Learnt: []history.Entry{}}
	drop := func(Row) error { return nil }
	if res.Again, err = r.make(ctx, kind, stored.Params, drop); err != nil {
		return Reproduction{}, err
	}
	res.Identical = res.Again.Digest == stored.Digest && res.Again.Rows == stored.Rows && res.Again.HeadHash == stored.HeadHash &&
		res.Again.Notes == stored.Notes && slices.Equal(res.Again.Totals, stored.Totals)
	res.Gone = max(stored.Shown-res.Again.Shown, 0)
	_, res.Sealed = r.Keys.(SealedKeys)
	head, _, err := r.Known(ctx, nil)
	if err != nil {
		return Reproduction{}, fmt.Errorf("reproduce report %s: %w", id, err)
	}
	res.Head = head
	if err := r.learn(ctx, kind, &res); err != nil {
		return Reproduction{}, fmt.Errorf("reproduce report %s: %w", id, err)
	}
	res.Today = res.Again
	if res.Count > 0 {
		today := stored.Params
		today.KnownAt = head
		res.Today, err = r.make(ctx, kind, today, drop)
	}
	return res, err
}

// learn lists what was recorded behind the report and counts as of its date.
func (r Reader) learn(ctx context.Context, kind Kind, res *Reproduction) error {
	types := append(moneyTypes(), kind.also...)
	want := func(eventType string) bool { return slices.Contains(types, eventType) }
	p := res.Stored.Params
	return r.eachPage(ctx, p.Tenant, p.KnownAt, res.Head, want, func(events []catalog.Event) error {
		for _, ev := range events {
			if !p.learns(ev) {
				continue
			}
			res.Count++
			if len(res.Learnt) < MaxLearnt {
				res.Learnt = append(res.Learnt, history.EntryOf(ev))
			}
		}
		return nil
	})
}

// learns reports whether an event counts in a report of these params that is made today. A profile, unless the report was asked for in one,
// counts whenever it was chosen: it is how the whole log is read.
func (p Params) learns(ev catalog.Event) bool {
	if _, chosen := ev.Data.(policy.ProfileSet); chosen {
		return p.filter(filterProfile) == ""
	}
	return p.counts(ev.EffectiveAt)
}

// Answer says in words whether the report is what it was.
func (res *Reproduction) Answer() string {
	switch {
	case !res.Identical:
		return "NOT IDENTICAL"
	case res.Gone > 0 && res.Sealed:
		return "identical except sealed text"
	case res.Gone > 0:
		return "identical except erased text"
	}
	return "identical"
}

// AppendJSON appends the reproduction as one JSON object.
func (res *Reproduction) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendBool(append(dst, `{"identical":`...), res.Identical)
	dst = jsontext.AppendString(append(dst, `,"answer":`...), res.Answer())
	dst = strconv.AppendInt(append(dst, `,"textsGone":`...), res.Gone, 10)
	dst = res.Stored.Report.AppendJSON(append(dst, `,"report":`...))
	dst = jsontext.AppendTime(append(dst, `,"madeAt":`...), res.Stored.MadeAt)
	dst = res.Again.AppendJSON(append(dst, `,"again":`...))
	dst = strconv.AppendInt(append(dst, `,"head":`...), res.Head, 10)
	dst = strconv.AppendInt(append(dst, `,"learntCount":`...), int64(res.Count), 10)
	dst = append(dst, `,"learnt":[`...)
	for i := range res.Learnt {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = res.Learnt[i].AppendJSON(dst)
	}
	return append(res.Today.AppendJSON(append(dst, `],"today":`...)), '}')
}
