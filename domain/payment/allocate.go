package payment

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"payledger/domain/fee"
	"payledger/domain/money"
)

// OpenFee is a fee that a payment may go to.
type OpenFee struct {
	FeeID       string
	Outstanding money.Amount // the most that it may get; for a given share with what was written off
	AssessedAt  time.Time
}

// Share is what one fee gets of a payment.
type Share struct {
	FeeID  string
	Amount money.Amount
}

// Allocate divides an amount among open fees and returns the shares with the rest.
//
// Given shares are taken as they are, after a check: each names an open fee once
// (fee.ErrNotFound, ErrDuplicateFee) and takes no more than it owes
// (fee.ErrExceedsOutstanding); together they take no more than was paid
// (ErrOverAllocated). Without given shares the oldest fee is settled first; fees
// in another currency are passed over.
func Allocate(amount money.Amount, open []OpenFee, given []Share) (shares []Share, rest money.Amount, err error) {
	if !amount.IsPositive() {
		return nil, money.Amount{}, money.ErrNotPositive
	}
	if len(given) > 0 {
		return allocateGiven(amount, open, given)
	}
	return allocateOldest(amount, open)
}

func allocateGiven(amount money.Amount, open []OpenFee, given []Share) ([]Share, money.Amount, error) {
	owed := make(map[string]money.Amount, len(open))
	for _, f := range open {
		owed[f.FeeID] = f.Outstanding
	}
	named := make(map[string]bool, len(given))
	rest := amount
	for _, share := range given {
		outstanding, found := owed[share.FeeID]
		if !found {
			return nil, money.Amount{}, fmt.Errorf("allocate to fee %s: %w", share.FeeID, fee.ErrNotFound)
		}
		if named[share.FeeID] {
			return nil, money.Amount{}, fmt.Errorf("%w: %q", ErrDuplicateFee, share.FeeID)
		}
		named[share.FeeID] = true
		left, err := takeUpTo(outstanding, rest, share.Amount)
		if err != nil {
			return nil, money.Amount{}, fmt.Errorf("allocate to fee %s: %w", share.FeeID, err)
		}
		rest = left
	}
	return slices.Clone(given), rest, nil
}

// takeUpTo returns what is left of rest after a part, which outstanding bounds.
func takeUpTo(outstanding, rest, part money.Amount) (money.Amount, error) {
	left, err := take(rest, part)
	if err != nil {
		return money.Amount{}, err
	}
	over, err := part.Sub(outstanding)
	if err != nil {
		return money.Amount{}, err
	}
	if over.IsPositive() {
		return money.Amount{}, fmt.Errorf("%w: %s", fee.ErrExceedsOutstanding, outstanding)
	}
	return left, nil
}

func allocateOldest(amount money.Amount, open []OpenFee) ([]Share, money.Amount, error) {
	oldest := slices.SortedFunc(slices.Values(open), func(a, b OpenFee) int {
		return cmp.Or(a.AssessedAt.Compare(b.AssessedAt), strings.Compare(a.FeeID, b.FeeID))
	})
	var shares []Share
	rest := amount
	for _, f := range oldest {
		if f.Outstanding.Currency() != amount.Currency() {
			continue
		}
		part := money.Min(rest, f.Outstanding)
		if !part.IsPositive() {
			continue
		}
		left, err := take(rest, part)
		if err != nil {
			return nil, money.Amount{}, fmt.Errorf("allocate to fee %s: %w", f.FeeID, err)
		}
		shares, rest = append(shares, Share{FeeID: f.FeeID, Amount: part}), left
	}
	return shares, rest, nil
}
