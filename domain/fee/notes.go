package fee

import (
	"fmt"
	"slices"
)

func addNote(s State, c AddNote) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	switch {
	case s.note(c.NoteID) >= 0:
		return nil, ErrNoteExists
	case c.Visibility != VisibilityStaff && c.Visibility != VisibilityPatron:
		return nil, fmt.Errorf("%w: %q", ErrUnknownVisibility, c.Visibility)
	}
	return []Event{NoteAdded{NoteID: c.NoteID, Visibility: c.Visibility, Note: c.Note}}, nil
}

func changeNote(s State, c ChangeNote) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	i := s.note(c.NoteID)
	switch {
	case i < 0, s.notes[i].hidden:
		return nil, fmt.Errorf("%w: %q", ErrNoteNotFound, c.NoteID)
	case s.notes[i].text == c.Note:
		return nil, nil
	}
	return []Event{NoteChanged{NoteID: c.NoteID, Note: c.Note}}, nil
}

func hideNote(s State, c HideNote) ([]Event, error) {
	if err := s.admits(c.At); err != nil {
		return nil, err
	}
	if i := s.note(c.NoteID); i < 0 || s.notes[i].hidden {
		return nil, fmt.Errorf("%w: %q", ErrNoteNotFound, c.NoteID)
	}
	return []Event{NoteHidden{NoteID: c.NoteID}}, nil
}

// note returns where an added note stands, -1 for none.
func (s State) note(id string) int {
	return slices.IndexFunc(s.notes, func(n note) bool { return n.id == id })
}
