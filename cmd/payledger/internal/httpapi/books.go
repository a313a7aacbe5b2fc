package httpapi

import (
	"context"
	"net/http"
	"time"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/internal/jsontext"
)

// bookRoutes are the routes of how a tenant's books are read.
func bookRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/books/profile", name: "getBooksProfile", dataName: "booksProfile", action: actionGet,
			summary: "When the books call a fee revenue", doc: "All that read everything.", answers: "booksProfile.json#/$defs/one",
			needs: []auth.Permission{auth.ReadAll}, serve: getBooksProfile,
		},
		{
			method: http.MethodPut, path: "/books/profile", name: "setBooksProfile", dataName: "booksProfile", action: actionUpdate,
			summary: "Choose when the books call a fee revenue", doc: "Finance, admin. Reports show this profile from the command's position on; both tell of the whole log.",
			answers: "booksProfile.json#/$defs/one", needs: []auth.Permission{auth.SetBooks},
			body: []input.Field{profileField()}, serve: setBooksProfile,
		},
	}
}

func profileField() input.Field {
	return input.Choice("profile", profileNames()...).Must().Says("accrual: when it is charged; cash: when it is paid")
}

func profileNames() []string {
	var names []string
	for _, p := range policy.Profiles() {
		names = append(names, string(p))
	}
	return names
}

// getBooksProfile is GET /books/profile.
func getBooksProfile(c *call) (*answer, error) {
	position, state, err := c.policy(policy.BooksStream)
	if err != nil {
		return nil, err
	}
	body := envelope.AppendOne(nil, c.head(http.StatusOK), func(dst []byte) []byte { return appendProfile(dst, state.Profile()) })
	return &answer{status: http.StatusOK, body: body, position: position}, nil
}

// setBooksProfile is PUT /books/profile.
func setBooksProfile(c *call) (*answer, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	profile := policy.Profile(in.Choice("profile", profileNames()...))
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.SetProfile(ctx, req, profile)
	}, func(o commands.Outcome) row {
		return row{version: noVersion, appendJSON: func(dst []byte) []byte { return appendProfile(dst, o.Profile) }}
	})
}

func appendProfile(dst []byte, p policy.Profile) []byte {
	return append(jsontext.AppendString(append(dst, `{"profile":`...), string(p)), '}')
}
