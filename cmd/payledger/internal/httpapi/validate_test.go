package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi"
	"payledger/internal/schematest"
)

// Routes and document name each other.
func TestEveryRouteIsDocumented(t *testing.T) {
	t.Parallel()
	served := map[string]string{
		"GET /health": "getHealth", "GET /openapi.yaml": "getOpenAPI", "GET /swagger": "getSwagger", "GET /schemas/{path}": "getSchema",
	}
	for _, route := range httpapi.Routes() {
		served[route.Pattern] = route.Name
	}
	require.Equal(t, served, schematest.Operations(t))
}
