package commands

import (
	"strings"

	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/readmodels"
)

// Trial is what a dry run would do: the events in the order in which they would be stored, and the balances after them.
type Trial struct {
	Events []TrialEvent
	Fees   []FeeBalance // of every fee that changes
	// Credits are the lots of every person whose credits change.
	Credits []readmodels.CreditLot
}

// TrialEvent is an event that isn't stored.
type TrialEvent struct {
	Stream string
	Type   string // wire name
	// Data is the payload as JSON, in the form of the log but with readable notes.
	Data []byte
}

// FeeBalance is the sums of a fee: Outstanding = Amount - Reduced - Paid.
type FeeBalance struct {
	FeeID                                        string
	Amount, Reduced, Paid, Reserved, Outstanding money.Amount
	Status                                       readmodels.FeeStatus
}

// trial tells the draft.
func (d *draft) trial() (*Trial, error) {
	t := &Trial{}
	for _, s := range d.touched {
		for i := range s.events {
			name, data, err := d.catalog.Plain(s.events[i].Data)
			if err != nil {
				return nil, err
			}
			t.Events = append(t.Events, TrialEvent{Stream: s.id.Name, Type: name, Data: data})
		}
		switch {
		case len(s.events) == 0:
		case strings.HasPrefix(s.id.Name, fee.Stream("")):
			t.Fees = append(t.Fees, balance(as(fee.Decider, s.value)))
		case strings.HasPrefix(s.id.Name, credit.Stream("")):
			if lots := creditRows(as(credit.Decider, s.value)); lots != nil {
				t.Credits = append(t.Credits, lots.Lots...)
			}
		}
	}
	return t, nil
}

func balance(f folded[fee.State]) FeeBalance {
	row := feeRow(f)
	return FeeBalance{
		FeeID: row.ID, Amount: f.state.Gross, Reduced: f.state.Reduced(), Paid: f.state.Allocated, Reserved: f.state.Reserved(),
		Outstanding: f.state.Outstanding(), Status: row.Status,
	}
}
