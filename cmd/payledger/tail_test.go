package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/kafkabus"
)

// What stands on topics of others is printed as well, whatever it is.
func TestTailPrintsAnyValue(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`{"a":1}`: `{"a":1}`, ``: `null`, `{"a":`: `"{\"a\":"`, "\xff": `"\ufffd"`,
	} {
		var out bytes.Buffer
		a := &app{json: true, stdout: &out}
		require.NoError(t, a.printMessage(kafkabus.Message{Topic: "t", Key: "k", Headers: map[string]string{}, Value: []byte(value)}))
		require.Equal(t, `{"topic":"t","key":"k","headers":{},"value":`+want+"}\n", out.String())
	}
}

// JSON leaves the control characters above U+007F as they are, and what others send need not be JSON: a terminal only shows them.
func TestTailDoesNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := newApp(nil, &out, io.Discard)
	require.NoError(t, a.printMessage(kafkabus.Message{Topic: "topic", Key: "k\x1b[2J", Value: []byte("{\"note\":\"Dvo\u0159\u00e1k \u009b2J\"}")}))
	require.Equal(t, "  topic  k\\x1b[2J\n  {\"note\":\"Dvo\u0159\u00e1k \\u009b2J\"}\n", out.String())
}
