package commands

import (
	"context"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/policy"
	"payledger/eventstore"
)

// Reduction is what WaiveFee and WriteOffFee need. Its id is that of the event, which is a feeEvent as well. The zero value of Amount
// is all that is owed and not reserved.
type Reduction struct {
	FeeID        string
	Amount       money.Amount
	Reason, Note string
}

// WaiveFee forgives part or all of what is owed. Its own refusals are ErrFeeNotFound, *VersionMismatchError, ErrEffectiveInFuture,
// policy.ErrUnknownReason, and those of the fee's decider.
func (s *Service) WaiveFee(ctx context.Context, req Request, p Reduction) (eventstore.Result, error) {
	return s.onFee(ctx, req, p.FeeID, reason{policy.KindWaive, p.Reason}, func(d *draft) fee.Command {
		return fee.Waive{ReductionID: d.peek(), Amount: p.Amount, Reason: p.Reason, Note: p.Note, At: d.at}
	})
}

// WriteOffFee gives up part or all of what is owed. Its own refusals are those of WaiveFee.
func (s *Service) WriteOffFee(ctx context.Context, req Request, p Reduction) (eventstore.Result, error) {
	return s.onFee(ctx, req, p.FeeID, reason{policy.KindWriteOff, p.Reason}, func(d *draft) fee.Command {
		return fee.WriteOff{ReductionID: d.peek(), Amount: p.Amount, Reason: p.Reason, Note: p.Note, At: d.at}
	})
}

// Reversal is what ReverseReduction needs.
type Reversal struct {
	FeeID, ReductionID string
	Reason, Note       string
}

// ReverseReduction takes a waiver or write-off back. Its own refusals are those of WaiveFee, and ErrBeforeTakenBack.
func (s *Service) ReverseReduction(ctx context.Context, req Request, p Reversal) (eventstore.Result, error) {
	return s.onFee(ctx, req, p.FeeID, reason{policy.KindReverse, p.Reason}, func(d *draft) fee.Command {
		return fee.ReverseReduction{ReductionID: p.ReductionID, Reason: p.Reason, Note: p.Note, At: d.at}
	})
}

// reason is a code that must be one of the tenant's.
type reason struct {
	kind policy.Kind
	code string
}

// onFee carries out a command on one fee that needs a reason.
func (s *Service) onFee(ctx context.Context, req Request, feeID string, why reason, command func(*draft) fee.Command) (eventstore.Result, error) {
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: fee.Stream(feeID)}},
		fresh:   []eventstore.StreamID{{Tenant: req.Tenant, Name: policy.Stream}},
		decide: func(d *draft) (Outcome, error) {
			before, err := d.existing(feeID)
			if err != nil {
				return Outcome{}, err
			}
			if err := d.policy().Check(why.kind, why.code); err != nil {
				return Outcome{}, err
			}
			d.takesEffect(fee.Stream(feeID))
			after, err := d.onFee(feeID, before.state.UserID, command(d))
			return Outcome{Fee: feeRow(after)}, err
		},
	})
}
