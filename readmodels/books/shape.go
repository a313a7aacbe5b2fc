package books

import "payledger/readmodels/digest"

// Shapes says how the rows of each table are told apart and compared.
func Shapes() []digest.Shape {
	return []digest.Shape{
		{Table: "journal", Label: "journal", Key: []string{"tenant", "position"}, Columns: journalColumns, OfEvent: true},
		{
			Table: "origins", Label: "origins", Key: []string{"tenant", "key"}, Columns: originColumns,
			// They are only ever added, by an event on the stream that their keys begin with.
			Changed: "(tenant, split_part(key, '/', 1)) IN (SELECT e.tenant, e.stream FROM ledger.events AS e WHERE e.position > $1)",
		},
		{Table: "profiles", Label: "profiles", Key: []string{"tenant", "position"}, Columns: profileColumns, OfEvent: true},
		{
			Table: "turnovers", Label: "turnovers", Key: []string{"tenant", "day", "currency", "debit", "credit", "fee_type"},
			Columns: []string{"tenant", "day", "currency", "debit", "credit", "fee_type", "amount", "postings"},
			Changed: "$1::bigint IS NOT NULL", // all: there are few, and they don't tell
		},
	}
}
