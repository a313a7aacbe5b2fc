package main

import (
	"bytes"
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
