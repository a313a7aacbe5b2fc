package commands

import (
	"context"
	"fmt"
	"strings"

	"payledger/domain/claim"
	"payledger/domain/fee"
	"payledger/eventstore"
	"payledger/readmodels"
)

// NewNote is what AddFeeNote needs. Without an id the note has that of its event.
type NewNote struct {
	NoteID, FeeID string
	Visibility    fee.Visibility
	Note          string
}

// AddFeeNote says something about a fee: a feeEvent. Its own refusals are ErrFeeNotFound, ErrIDInUse, *VersionMismatchError (of the
// fee), ErrEffectiveInFuture and those of the fee's decider.
func (s *Service) AddFeeNote(ctx context.Context, req Request, p NewNote) (eventstore.Result, error) {
	work := plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: fee.Stream(p.FeeID)}},
		decide:  func(d *draft) (Outcome, error) { return d.addNote(p) },
	}
	if p.NoteID != "" {
		if err := s.free(ctx, req.Tenant, readmodels.ObjectFeeEvent, p.NoteID); err != nil {
			return eventstore.Result{}, err
		}
		work.fresh = []eventstore.StreamID{{Tenant: req.Tenant, Name: claim.Stream(readmodels.ObjectFeeEvent.Name(), p.NoteID)}}
	}
	return s.run(ctx, req, work)
}

func (d *draft) addNote(p NewNote) (Outcome, error) {
	before, err := d.existing(p.FeeID)
	if err != nil {
		return Outcome{}, err
	}
	d.takesEffect(fee.Stream(p.FeeID))
	if p.NoteID == "" {
		p.NoteID = d.peek()
	} else if err := d.claim(readmodels.ObjectFeeEvent, p.NoteID, fee.Stream(p.FeeID)); err != nil {
		return Outcome{}, err
	}
	after, err := d.onFee(p.FeeID, before.state.UserID, fee.AddNote{NoteID: p.NoteID, Visibility: p.Visibility, Note: p.Note, At: d.at})
	return Outcome{Fee: feeRow(after), FeeEvent: noteRow(after, p.NoteID)}, err
}

// ChangeFeeNote replaces what a note says. Its own refusals are ErrRecordNotFound, ErrNotANote, *VersionMismatchError (of the
// note), ErrEffectiveInFuture, ErrBeforeTakenBack and those of the fee's decider.
func (s *Service) ChangeFeeNote(ctx context.Context, req Request, noteID, note string) (eventstore.Result, error) {
	return s.onNote(ctx, req, noteID, func(d *draft) fee.Command {
		return fee.ChangeNote{NoteID: noteID, Note: note, At: d.at}
	})
}

// HideFeeNote ends the showing of a note. Its own refusals are those of ChangeFeeNote.
func (s *Service) HideFeeNote(ctx context.Context, req Request, noteID string) (eventstore.Result, error) {
	return s.onNote(ctx, req, noteID, func(d *draft) fee.Command { return fee.HideNote{NoteID: noteID, At: d.at} })
}

func (s *Service) onNote(ctx context.Context, req Request, noteID string, command func(*draft) fee.Command) (eventstore.Result, error) {
	stream, err := s.Rows.StreamOf(ctx, req.Tenant, readmodels.ObjectFeeEvent, noteID)
	if err != nil {
		return eventstore.Result{}, fmt.Errorf("find feeEvent %s: %w", noteID, err)
	}
	feeID := strings.TrimPrefix(stream, fee.Stream(""))
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: stream}},
		decide: func(d *draft) (Outcome, error) {
			before := d.fee(feeID)
			switch row := noteRow(before, noteID); {
			case row == nil:
				return Outcome{}, fmt.Errorf("feeEvent %s: %w", noteID, ErrNotANote)
			case !row.IsActive, before.state.Hidden:
				return Outcome{}, fmt.Errorf("feeEvent %s: %w", noteID, ErrRecordNotFound)
			default:
				if err := d.matches(row.RecordVersion); err != nil {
					return Outcome{}, err
				}
			}
			d.takesEffect(stream)
			after, err := d.onFee(feeID, before.state.UserID, command(d))
			return Outcome{FeeEvent: noteRow(after, noteID)}, err
		},
	})
}
