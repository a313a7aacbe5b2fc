package credit

import "payledger/domain/money"

// Moves returns by how much an event changes what is left of its lot, less than zero
// when less is left then.
func Moves(e Event) money.Amount {
	switch e := e.(type) {
	case Granted:
		return e.Amount
	case Returned:
		return e.Amount
	case Spent:
		return negative(e.Amount)
	case Reversed:
		return negative(e.Amount)
	}
	return money.Amount{}
}

func negative(a money.Amount) money.Amount { return money.New(-a.Minor(), a.Currency()) }
