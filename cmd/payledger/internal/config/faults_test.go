package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/config"
)

// Each setting that can't work is told by itself, and nothing else is.
func TestEachFaultAlone(t *testing.T) {
	t.Parallel()
	right := []string{"DATABASE_URL=postgres://h/d", "VAULT_KEY=k", "OIDC_ISSUER=https://issuer.example"}
	validate := func(settings []string, parts ...config.Part) error {
		cfg, err := config.Parse(settings)
		require.NoError(t, err)
		return cfg.Validate(parts...)
	}
	all := []config.Part{config.NeedOwner, config.NeedApp, config.NeedProjector, config.NeedTokens}
	require.NoError(t, validate(right, all...))
	for setting, fault := range map[string]string{
		"ELASTICSEARCH_URL=nowhere":                   "ELASTICSEARCH_URL is not a URL",
		"APP_DATABASE_URL=nowhere":                    "APP_DATABASE_URL is not a URL",
		"PROJECTOR_DATABASE_URL=nowhere":              "PROJECTOR_DATABASE_URL is not a URL",
		"ELASTICSEARCH_URL=https://u:p@h":             "ELASTICSEARCH_URL must not hold credentials",
		"JWT_KEYS_FILE=keys.json":                     "exactly one of OIDC_ISSUER and JWT_KEYS_FILE",
		"TIME_ZONE=Mars/Olympus":                      "TIME_ZONE",
		"CHECKPOINT_INTERVAL=-1s":                     "CHECKPOINT_INTERVAL",
		"SELFAUDIT_RATE=-1":                           "SELFAUDIT_RATE",
		"GIVE_WAY=-1s":                                "GIVE_WAY",
		"KAFKA_BROKERS=a:1,":                          "KAFKA_BROKERS has an empty one",
		"KAFKA_SASL_USER=u":                           "KAFKA_SASL_USER and KAFKA_SASL_PASSWORD",
		"KAFKA_SASL_PASSWORD=p":                       "KAFKA_SASL_USER and KAFKA_SASL_PASSWORD",
		"KAFKA_PARTITIONS=-1":                         "KAFKA_PARTITIONS and KAFKA_REPLICATION",
		"KAFKA_REPLICATION=-1":                        "KAFKA_PARTITIONS and KAFKA_REPLICATION",
		"LIBRARY_SERVICE=a+b":                         "LIBRARY_SERVICE",
		"LIBRARY_SERVICE=" + strings.Repeat("a", 161): "LIBRARY_SERVICE",
		"LIBRARY_INDEX_PREFIX=Library":                "LIBRARY_INDEX_PREFIX",
		"PROJECT_NAME=a b":                            "PROJECT_NAME",
		"EXTENDS_NAMES=a,,b":                          "EXTENDS_NAMES",
		"EXTENDS_NAMES=reminders,feePayments":         `EXTENDS_NAMES "feePayments"`,
		"EXTENDS_NAMES=feeEvents":                     `EXTENDS_NAMES "feeEvents"`,
		"EXTENDS_NAMES=ticketPayments":                `EXTENDS_NAMES "ticketPayments"`,
		"EXTENDS_NAMES=reminders,reminders_count":     `EXTENDS_NAMES "reminders_count"`,
		"CHECKPOINT_KEY=a CHECKPOINT_KEY_FILE=b":      "only one of CHECKPOINT_KEY and CHECKPOINT_KEY_FILE",
		"KAFKA_SASL_USER=u KAFKA_SASL_PASSWORD=p KAFKA_SASL_MECHANISM=PLAIN": "KAFKA_SASL_MECHANISM",
	} {
		settings := []string{setting}
		if strings.HasPrefix(setting, "CHECKPOINT_KEY=") || strings.Contains(setting, " KAFKA") {
			settings = strings.Split(setting, " ")
		}
		err := validate(append(settings, right...), all...)
		require.ErrorContains(t, err, fault)
		require.NotContains(t, err.Error(), "\n", setting)
	}
	require.NoError(t, validate(append(right, "EXTENDS_NAMES=reminders,feepayments,count"), all...))
	for _, part := range []config.Part{config.NeedApp, config.NeedProjector} {
		require.EqualError(t, validate(right[:1], part), "VAULT_KEY is required: 32 random bytes in base64")
	}
	require.NoError(t, validate(right[:1], config.NeedOwner), "who owns the database needs no key")
}
