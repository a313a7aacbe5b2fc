package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dev starts `payledger dev` and waits until it is ready.
func dev(t *testing.T, dir string, args ...string) (*process, *system) {
	t.Helper()
	return devWith(t, nil, dir, args...)
}

// devWith starts it with settings in its environment.
func devWith(t *testing.T, env []string, dir string, args ...string) (*process, *system) {
	t.Helper()
	p := start(t, env, append([]string{
		"dev", "--json", "--data-dir", dir, "--library-listen", "127.0.0.1:0", "--ticket-listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0",
	}, args...)...)
	var ready struct {
		Ready    bool              `json:"ready"`
		Library  string            `json:"library"`
		Tickets  string            `json:"tickets"`
		Kafka    string            `json:"kafka"`
		Database string            `json:"database"`
		Search   string            `json:"search"`
		Tokens   map[string]string `json:"tokens"`
		Users    map[string]string `json:"users"`
	}
	line := []byte(p.line(t, startPatience))
	require.NoError(t, json.Unmarshal(line, &ready))
	var all map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(line, &all))
	require.ElementsMatch(t, []string{"ready", "library", "tickets", "kafka", "database", "search", "tokens", "users", "integrations"},
		slices.Collect(maps.Keys(all)))
	require.True(t, ready.Ready)
	require.Equal(t, "postgres", ready.Search)
	s := &system{
		library: ready.Library, tokens: ready.Tokens, users: ready.Users, env: environment(t, dir),
		service: "librarymanagementsystem-payment-service", prefix: "librarymanagementsystem",
	}
	require.Contains(t, s.env, "DATABASE_URL="+ready.Database)
	require.Contains(t, s.env, "KAFKA_BROKERS="+ready.Kafka)
	require.Equal(t, http.StatusOK, (&system{library: ready.Tickets}).call(t, "", http.MethodGet, "/health", "").status)
	return p, s
}

// environment reads the file that dev leaves for other commands.
func environment(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "env"))
	require.NoError(t, err)
	var env []string
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		require.True(t, ok, line)
		env = append(env, name+"="+strings.Trim(value, "'"))
	}
	return env
}

// TestDev follows one fee through `payledger dev`, stops it, starts it again on its data, and finds everything there.
func TestDev(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, s := dev(t, dir)
	followOneFee(t, s)
	before := s.call(t, "staff", http.MethodGet, "/fees?sort=createdAt", "")
	require.Zero(t, p.stop(t))

	p, s = dev(t, dir, "--demo")
	var after []fee
	require.Eventually(t, func() bool { // the demo's writes are another caller's: a list needn't wait for them
		after = data[[]fee](t, s.call(t, "staff", http.MethodGet, "/fees?sort=createdAt", ""), "fees")
		return len(after) == 9
	}, patience, tick, "and the demo's six")
	require.Equal(t, data[[]fee](t, before, "fees"), after[:3])
	require.Zero(t, p.stop(t))
}

// TestDevRefusesASecondOne shows that two processes can't share a data folder.
func TestDevRefusesASecondOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, _ := dev(t, dir)
	_, errs, code := command(t, nil, "dev", "--data-dir", dir)
	require.Equal(t, 4, code)
	require.Contains(t, errs, "another payledger runs on")
	require.Zero(t, p.stop(t))
}
