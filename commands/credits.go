package commands

import (
	"context"

	"payledger/domain/claim"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/readmodels"
)

// NewCredit is what GrantCredit needs. Without an id one is made.
type NewCredit struct {
	CreditID     string
	UserID       string
	Amount       money.Amount
	Reason, Note string
}

// GrantCredit gives a person money of the library, without a payment. Its own refusals are ErrIDInUse, policy.ErrUnknownReason,
// ErrEffectiveInFuture and those of the decider.
func (s *Service) GrantCredit(ctx context.Context, req Request, p NewCredit) (eventstore.Result, error) {
	chosen := p.CreditID != ""
	if !chosen {
		ids := sequence{req.CommandID}
		p.CreditID = ids.next().String()
	}
	work := plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: credit.Stream(p.UserID)}},
		fresh:   []eventstore.StreamID{{Tenant: req.Tenant, Name: policy.Stream}},
		decide: func(d *draft) (Outcome, error) {
			d.ids.next() // the credit's
			return d.grant(p, chosen)
		},
	}
	if chosen {
		if err := s.free(ctx, req.Tenant, readmodels.ObjectCredit, p.CreditID); err != nil {
			return eventstore.Result{}, err
		}
		work.fresh = append(work.fresh, eventstore.StreamID{Tenant: req.Tenant, Name: claim.Stream(readmodels.ObjectCredit, p.CreditID)})
	}
	if p.Note != "" {
		work.sealFor = p.UserID
	}
	return s.run(ctx, req, work)
}

func (d *draft) grant(p NewCredit, chosen bool) (Outcome, error) {
	if err := d.policy().Check(policy.KindGrant, p.Reason); err != nil {
		return Outcome{}, err
	}
	d.takesEffect(credit.Stream(p.UserID))
	if chosen {
		if err := d.claim(readmodels.ObjectCredit, p.CreditID, credit.Stream(p.UserID)); err != nil {
			return Outcome{}, err
		}
	}
	after, err := d.onCredit(p.UserID, credit.Grant{
		CreditID: p.CreditID, UserID: p.UserID, Amount: p.Amount, Source: credit.SourceGoodwill, Reason: p.Reason, Note: p.Note, At: d.at,
	})
	return Outcome{Credit: creditRows(after).Lot(p.CreditID)}, err
}

// CreditUse is what ApplyCredit needs. Without a credit the person's credits are spent in the order of their granting. The zero
// value of Amount is as much as the fee owes and the credit has.
type CreditUse struct {
	CreditID, FeeID string
	Amount          money.Amount
}

// ApplyCredit settles part or all of what is owed on a fee with credit of the same person. Its own refusals are ErrFeeNotFound,
// *VersionMismatchError (of the fee), ErrNoCredit, ErrEffectiveInFuture, ErrBeforeTakenBack and those of the deciders.
func (s *Service) ApplyCredit(ctx context.Context, req Request, p CreditUse) (eventstore.Result, error) {
	return s.run(ctx, req, plan{
		streams: []eventstore.StreamID{{Tenant: req.Tenant, Name: fee.Stream(p.FeeID)}},
		decide:  func(d *draft) (Outcome, error) { return d.applyCredit(p) },
	})
}

func (d *draft) applyCredit(p CreditUse) (Outcome, error) {
	before, err := d.existing(p.FeeID)
	if err != nil {
		return Outcome{}, err
	}
	user := before.state.UserID
	if err := d.need(credit.Stream(user)); err != nil {
		return Outcome{}, err
	}
	if err := owing(p.FeeID, before.state); err != nil {
		return Outcome{}, err
	}
	parts, err := p.parts(d.credit(user).state, before.state.Free())
	if err != nil {
		return Outcome{}, err
	}
	d.takesEffect(fee.Stream(p.FeeID), credit.Stream(user))
	for _, part := range parts {
		id := d.ids.next().String()
		spend := credit.Spend{CreditID: part.CreditID, FeeID: p.FeeID, AllocationID: id, Amount: part.Amount, At: d.at}
		if _, err := d.onCredit(user, spend); err != nil {
			return Outcome{}, err
		}
		apply := fee.ApplyCredit{CreditID: part.CreditID, AllocationID: id, Amount: part.Amount, At: d.at}
		if _, err := d.onFee(p.FeeID, user, apply); err != nil {
			return Outcome{}, err
		}
	}
	outcome := Outcome{Fee: feeRow(d.fee(p.FeeID))}
	if p.CreditID != "" {
		outcome.Credit = creditRows(d.credit(user)).Lot(p.CreditID)
	}
	return outcome, nil
}

// parts returns what each lot gives.
func (p CreditUse) parts(s credit.State, free money.Amount) ([]credit.Part, error) {
	all := p.Amount == money.Amount{}
	if p.CreditID == "" {
		if all {
			p.Amount = money.Min(free, s.Left(free.Currency()))
		}
		if all && p.Amount.IsZero() {
			return nil, ErrNoCredit
		}
		return s.Pick(p.Amount)
	}
	if all {
		lot, found := s.Lot(p.CreditID)
		switch {
		case !found, lot.Remaining.Currency() != free.Currency():
			p.Amount = free // which the decider refuses
		case lot.Remaining.IsZero():
			return nil, ErrNoCredit
		default:
			p.Amount = money.Min(free, lot.Remaining)
		}
	}
	return []credit.Part{{CreditID: p.CreditID, Amount: p.Amount}}, nil
}
