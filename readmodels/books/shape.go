package books

import "payledger/readmodels/digest"

// Shapes says how the rows of each table are told apart and compared.
func Shapes() []digest.Shape {
	return []digest.Shape{
		{Table: "journal", Label: "journal", Key: []string{"tenant", "position"}, Columns: journalColumns, OfEvent: true},
		{Table: "origins", Label: "origins", Key: []string{"tenant", "key"}, Columns: originColumns},
		{Table: "profiles", Label: "profiles", Key: []string{"tenant", "position"}, Columns: profileColumns, OfEvent: true},
		{
			Table: "turnovers", Label: "turnovers", Key: []string{"tenant", "day", "currency", "debit", "credit", "fee_type"},
			Columns: []string{"tenant", "day", "currency", "debit", "credit", "fee_type", "amount", "postings"},
		},
	}
}
