package fee

import "payledger/domain/money"

// Moves returns by how much an event changes what is owed on its fee, less than zero
// when less is owed then. It is zero, perhaps without a currency, for what moves nothing.
func Moves(e Event) money.Amount {
	switch e := e.(type) {
	case Assessed:
		return e.Amount
	case Adjusted:
		if e.Direction == DirectionIncrease {
			return e.Amount
		}
		return negative(e.Amount)
	case ReductionReleased:
		return e.Amount
	case ReductionReversed:
		return e.Amount
	case WriteOffRecovered:
		return e.Amount
	case PaymentUnapplied:
		return e.Amount
	case CreditUnapplied:
		return e.Amount
	case Waived:
		return negative(e.Amount)
	case WrittenOff:
		return negative(e.Amount)
	case RecoveryReversed:
		return negative(e.Amount)
	case Cancelled:
		return negative(e.Amount)
	case PaymentApplied:
		return negative(e.Amount)
	case CreditApplied:
		return negative(e.Amount)
	case PaymentReserved, ReservationReleased, Annotated, NoteAdded, NoteChanged, NoteHidden:
	}
	return money.Amount{}
}

func negative(a money.Amount) money.Amount { return money.New(-a.Minor(), a.Currency()) }
