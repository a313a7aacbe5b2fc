package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain/extension"
	"payledger/eventstore"
	"payledger/internal/jsontext"
	"payledger/readmodels"
)

// extendRoutes let other services add to search documents.
func extendRoutes() []route {
	return []route{
		{
			method: http.MethodPut, path: "/index/{object}/{id}/extends/{name}", texts: []string{"object", "name"}, name: "extendDocument",
			dataName: "extension", action: actionUpdate, summary: "Add elements to a list of a search document, or replace those with the same id", raw: true,
			doc: "Service and admin. Object is fee, feePayment, feePayment.gateway, feeEvent, paymentCustomer or paymentMethod, in any case; name is one " +
				"that the configuration allows. Elements that aren't named stay. Answers with the whole list.",
			answers: "extension.json#/$defs/one", needs: []auth.Permission{auth.ExtendDocument}, serve: extendDocument,
		},
	}
}

// extendDocument is PUT /index/{object}/{id}/extends/{name}.
func extendDocument(c *call) (*answer, error) {
	if err := c.readBody(); err != nil {
		return nil, err
	}
	elements, err := input.ParseElements(c.rawBody)
	if err != nil {
		return nil, err
	}
	p := commands.Extension{ID: c.id("id"), Name: c.request.PathValue("name"), Elements: make([]extension.Element, len(elements))}
	for i, e := range elements {
		p.Elements[i] = extension.Element{ID: e.ID, Value: extension.Value(e.Text)}
	}
	i := slices.IndexFunc(readmodels.Objects(), func(o readmodels.Object) bool { return strings.EqualFold(string(o), c.request.PathValue("object")) })
	if i < 0 {
		return nil, errNotFound
	}
	p.Object = readmodels.Objects()[i]
	if !slices.Contains(c.api.extends, p.Name) {
		return nil, errExtensionName
	}
	return c.command(time.Time{}, func(ctx context.Context, req commands.Request) (eventstore.Result, error) {
		return c.api.commands.PutExtension(ctx, req, p)
	}, func(o commands.Outcome) row {
		return row{version: noVersion, appendJSON: func(dst []byte) []byte { return appendExtension(dst, o.Extension) }}
	})
}

func appendExtension(dst []byte, e *commands.Extension) []byte {
	dst = jsontext.AppendString(append(dst, `{"object":`...), string(e.Object))
	dst = jsontext.AppendString(append(dst, `,"id":`...), e.ID)
	dst = jsontext.AppendString(append(dst, `,"name":`...), e.Name)
	dst = append(dst, `,"elements":[`...)
	for i, element := range e.Elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, element.Value...)
	}
	dst = strconv.AppendInt(append(dst, `],"count":`...), int64(len(e.Elements)), 10)
	return append(dst, '}')
}
