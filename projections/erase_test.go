package projections_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"payledger/domain/customer"
	"payledger/domain/fee"
	"payledger/domain/payment"
	"payledger/eventstore/catalog"
	"payledger/internal/ledgertest"
	"payledger/internal/sqltest"
	"payledger/projections"
)

// TestErasedTextsAreGone applies a history while its texts can still be opened, then the erasure of one person and what comes after. The
// rows are those of a fold of the log as it can be read now, and no text of the person is left in any table; those of others are.
func TestErasedTextsAreGone(t *testing.T) {
	t.Parallel()
	for _, p := range projections.All() {
		for _, batch := range []int{1, 1000} {
			t.Run(fmt.Sprintf("%s by %d", p.Projection.Name, batch), func(t *testing.T) {
				t.Parallel()
				l := ledgertest.Open(t, 61)
				ann, bob := l.Users[1], l.Users[2]
				handled := make(map[string]bool)
				for _, name := range p.New().Handles() {
					handled[name] = true
				}
				projector, pool := p.New(), l.DB.ProjectorPool(t)
				at := int64(0)
				apply := func(until int64) {
					var given []catalog.Event
					for _, ev := range l.Events(t, at, int(until-at)) {
						if handled[ev.Type] {
							given = append(given, ev)
						}
					}
					for from := 0; from < len(given); from += batch {
						require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
							if _, err := projector.EnsureSchema(t.Context(), tx); err != nil {
								return err
							}
							return projector.Apply(t.Context(), tx, given[from:min(from+batch, len(given))])
						}))
					}
					at = until
				}
				fees := map[string]string{}
				for user, name := range map[string]string{ann: "annsecret", bob: "bobsecret"} {
					id := l.Assess(t, user, 1000)
					fees[user] = id
					l.Change(t, id, fee.Annotate{Note: name + " annotated", At: l.Now()})
					l.Change(t, id, fee.AddNote{NoteID: "note-1-" + user, Visibility: fee.VisibilityStaff, Note: name + " for staff", At: l.Now()})
					l.Change(t, id, fee.AddNote{NoteID: "note-2-" + user, Visibility: fee.VisibilityPatron, Note: name + " seen", At: l.Now()})
					l.Change(t, id, fee.HideNote{NoteID: "note-2-" + user, At: l.Now()})
					l.Pay(t, user, 400)
					share := payment.Allocation{ID: "share-" + user, FeeID: id, Amount: ledgertest.USD(t, 100)}
					l.Queue(t, payment.Stream("pay-"+user), user, payment.Started{
						PaymentID: "pay-" + user, UserID: user, Tender: payment.TenderOther, Amount: share.Amount, HandledBy: bob,
						Allocations: []payment.Allocation{share}, Note: name + " pays",
					})
					l.Queue(t, customer.Stream(user), user, customer.MethodAttached{
						ID: "card-" + user, UserID: user, PaymentMethodID: "pm", CardHolderName: name + " holds", CardHolderZip: name + " zip",
					})
				}
				apply(l.Flush(t))
				if p.Projection.Name != "books" {
					require.Len(t, sqltest.Grep(t, l.DB.SuperURL, "annsecret"), map[string]int{"tables": 4, "documents": 1}[p.Projection.Name], "texts to erase")
				}
				erased := l.Erase(t, ann)
				l.Change(t, fees[ann], fee.Waive{ReductionID: "w", Amount: ledgertest.USD(t, 100), Reason: "goodwill", Note: "afterwards", At: l.Now()})
				l.Change(t, fees[bob], fee.Waive{ReductionID: "w", Amount: ledgertest.USD(t, 100), Reason: "goodwill", At: l.Now()})
				apply(l.Flush(t))
				require.Greater(t, at, erased)

				require.Empty(t, sqltest.Grep(t, l.DB.SuperURL, "annsecret"))
				requireEqualToReplay(t.Context(), t, p, pool, l.Events(t, 0, int(at)))
				if p.Projection.Name != "books" {
					require.NotEmpty(t, sqltest.Grep(t, l.DB.SuperURL, "bobsecret"))
					require.NotEmpty(t, sqltest.Grep(t, l.DB.SuperURL, "afterwards"))
				}
			})
		}
	}
}
