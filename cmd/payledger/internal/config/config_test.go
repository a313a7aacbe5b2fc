package config_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/config"
)

var update = flag.Bool("update", false, "write the generated files anew")

func TestDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse(nil)
	require.NoError(t, err)
	require.Equal(t, ":3004", cfg.LibraryListen)
	require.Equal(t, "librarymanagementsystem-payment-service", cfg.LibraryService)
	require.True(t, cfg.IndexUpdatedOnCreatedTopic)
}

// All faults are told at once, and none of them repeats a secret.
func TestValidateTellsAllFaults(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]string{
		"DATABASE_URL=s3cret", "ELASTICSEARCH_URL=nowhere", "TIME_ZONE=Mars/Olympus", "KAFKA_SASL_USER=u", "KAFKA_SASL_MECHANISM=PLAIN",
		"KAFKA_BROKERS=,", "KAFKA_PARTITIONS=-1", "GIVE_WAY=-1s", "LIBRARY_SERVICE=a+b", "LIBRARY_INDEX_PREFIX=Library", "PROJECT_NAME=a b", "EXTENDS_NAMES=a,,b",
		"OIDC_ISSUER=https://u:s3cret@issuer.example", "JWT_KEYS_FILE=keys.json",
	})
	require.NoError(t, err)
	err = cfg.Validate(config.NeedOwner, config.NeedApp, config.NeedProjector, config.NeedTokens)
	for _, fault := range []string{
		"DATABASE_URL is not a URL", "ELASTICSEARCH_URL is not a URL", "TIME_ZONE", "KAFKA_SASL_MECHANISM", "VAULT_KEY is required",
		"OIDC_ISSUER must not hold credentials",
		"exactly one of OIDC_ISSUER and JWT_KEYS_FILE", "KAFKA_BROKERS has an empty one", "KAFKA_SASL_USER and KAFKA_SASL_PASSWORD", "KAFKA_PARTITIONS",
		"GIVE_WAY", "LIBRARY_SERVICE", "LIBRARY_INDEX_PREFIX", "PROJECT_NAME", "EXTENDS_NAMES",
	} {
		require.ErrorContains(t, err, fault)
	}
	require.NotContains(t, err.Error(), "s3cret")
	require.Equal(t, 1, strings.Count(err.Error(), "VAULT_KEY"), "each once")
}

// A server on a socket has its folder in the query.
func TestSocketIsAURL(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]string{"DATABASE_URL=postgres:///ledger?host=/run/postgresql"})
	require.NoError(t, err)
	require.NoError(t, cfg.Validate(config.NeedOwner))
}

func TestValidateNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse(nil)
	require.NoError(t, err)
	require.NoError(t, cfg.Validate())
	require.ErrorContains(t, cfg.Validate(config.NeedOwner), "DATABASE_URL is required")
	require.ErrorContains(t, cfg.Validate(config.NeedApp), "APP_DATABASE_URL (or DATABASE_URL) is required")
	require.ErrorContains(t, cfg.Validate(config.NeedProjector), "PROJECTOR_DATABASE_URL (or DATABASE_URL) is required")
}

// The owner's URL stands in for the others, with a warning.
func TestOwnerStandsIn(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]string{"DATABASE_URL=postgres://h/d", "APP_DATABASE_URL=postgres://app@h/d"})
	require.NoError(t, err)
	require.Equal(t, "postgres://app@h/d", cfg.App().Reveal())
	require.Equal(t, "postgres://h/d", cfg.Projector().Reveal())
	require.Len(t, cfg.Warnings(), 1)
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]string{"VAULT_KEY=s3cret", "DATABASE_URL=postgres://u:s3cret@h/d", "KAFKA_SASL_PASSWORD=s3cret"})
	require.NoError(t, err)
	for _, s := range cfg.Settings() {
		require.NotContains(t, s.Value, "s3cret", s.Name)
		require.NotEmpty(t, s.Doc, s.Name)
	}
	require.NotContains(t, fmt.Sprintf("%v", cfg), "s3cret")
	text, err := cfg.VaultKey.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "***", string(text))
}

// .env.example is generated; -update writes it anew.
func TestExampleIsUpToDate(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	require.NoError(t, config.WriteExample(&want))
	path := filepath.Join("..", "..", "..", "..", ".env.example")
	if *update {
		require.NoError(t, os.WriteFile(path, want.Bytes(), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want.String(), string(got))
}
