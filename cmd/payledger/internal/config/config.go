// Package config is the one place that reads the environment. Every setting is a field of Config, documented here; each
// replaces one of the embedded defaults that `payledger dev` would use.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"payledger/readmodels"
)

// Secret is a setting that is never printed: String and LogValue say *** instead.
type Secret string

// String returns *** for a set secret, nothing for an empty one.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps secrets out of JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the secret itself, for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }

// Config is the whole configuration. The comment of a field is its documentation: `payledger doctor` and .env.example repeat it.
type Config struct {
	DatabaseURL          Secret `env:"DATABASE_URL"           doc:"Postgres as the owner: migrations"`
	AppDatabaseURL       Secret `env:"APP_DATABASE_URL"       doc:"Postgres as payledger_app: commands and reads; default DATABASE_URL, with a warning"`
	ProjectorDatabaseURL Secret `env:"PROJECTOR_DATABASE_URL" doc:"Postgres as payledger_projector: projections; default DATABASE_URL, with a warning"`
	VaultKey             Secret `env:"VAULT_KEY"              doc:"32 bytes in base64 that wrap the keys of personal texts"`

	KafkaBrokers       []string `env:"KAFKA_BROKERS"        doc:"host:port, comma separated"`
	KafkaSASLUser      string   `env:"KAFKA_SASL_USER"      doc:"user for SASL; empty: no authentication"`
	KafkaSASLPassword  Secret   `env:"KAFKA_SASL_PASSWORD"  doc:"password for SASL"`
	KafkaSASLMechanism string   `env:"KAFKA_SASL_MECHANISM" doc:"SCRAM-SHA-256"                                   envDefault:"SCRAM-SHA-256"`
	KafkaTLS           bool     `env:"KAFKA_TLS"            doc:"encrypt the connection to Kafka"                 envDefault:"false"`
	KafkaPartitions    int32    `env:"KAFKA_PARTITIONS"     doc:"partitions of a topic that we create"            envDefault:"4"`
	KafkaReplication   int16    `env:"KAFKA_REPLICATION"    doc:"copies of a topic that we create; 3 where the cluster has them" envDefault:"1"`

	ElasticsearchURL      string `env:"ELASTICSEARCH_URL"      doc:"mirror of the documents; empty: search in Postgres only"`
	ElasticsearchUsername string `env:"ELASTICSEARCH_USERNAME" doc:"user for basic authentication"`
	ElasticsearchPassword Secret `env:"ELASTICSEARCH_PASSWORD" doc:"password for basic authentication"`

	CheckpointKey      Secret        `env:"CHECKPOINT_KEY"      doc:"private key that signs checkpoints of the log, as payledger audit key makes it; two while it is changed, separated by a space"`
	CheckpointKeyFile  string        `env:"CHECKPOINT_KEY_FILE" doc:"file with that key, instead of CHECKPOINT_KEY"`
	CheckpointFile     string        `env:"CHECKPOINT_FILE"     doc:"file to which signed checkpoints are appended, best on another machine's disk; empty: none"`
	CheckpointInterval time.Duration `env:"CHECKPOINT_INTERVAL" doc:"least time between two checkpoints" envDefault:"10s"`

	OIDCIssuer   string `env:"OIDC_ISSUER"   doc:"issuer of the tokens; its keys come from its discovery document"`
	OIDCAudience string `env:"OIDC_AUDIENCE" doc:"audience that a token must name" envDefault:"payledger"`
	JWTKeysFile  string `env:"JWT_KEYS_FILE" doc:"JWKS file with the keys of tokens, instead of OIDC_ISSUER"`

	LibraryListen string `env:"LIBRARY_LISTEN" doc:"address of the library API" envDefault:":3004"`
	TicketListen  string `env:"TICKET_LISTEN"  doc:"address of the ticket API"  envDefault:":3005"`
	AdminListen   string `env:"ADMIN_LISTEN"   doc:"address of /metrics and /health of serve, project and dev, without login: keep it private; empty: none"`

	LibraryService     string `env:"LIBRARY_SERVICE"      doc:"first part of the library's topic names"      envDefault:"librarymanagementsystem-payment-service"`
	LibraryIndexPrefix string `env:"LIBRARY_INDEX_PREFIX" doc:"prefix of the library's index names"          envDefault:"librarymanagementsystem"`
	ProjectName        string `env:"PROJECT_NAME"         doc:"first part of <project>-access-token, header and cookie" envDefault:"librarymanagementsystem"`

	IndexUpdatedOnCreatedTopic bool `env:"INDEX_UPDATED_ON_CREATED_TOPIC" doc:"send index updates to the -created topic as well, as the guides print it" envDefault:"true"`

	ExtendsNames []string `env:"EXTENDS_NAMES" doc:"names of the lists that other services may add to search documents, comma separated; none of our own (feePayments, feeEvents, ticketPayments) and none that ends in _count; empty: none"`

	GiveWay time.Duration `env:"GIVE_WAY" doc:"how far tables, documents and books, unless readers wait for them, and publisher may fall behind, and selfaudit may wait each time, to leave the processors to commands that wait; search follows documents; 0s: none gives way" envDefault:"10s"`

	SelfAuditRate int `env:"SELFAUDIT_RATE" doc:"streams, and rows, that the self-audit compares with the log each second, at most; 0: it doesn't run" envDefault:"50"`

	TimeZone string `env:"TIME_ZONE" doc:"zone of the days that bare dates mean, such as Europe/Vienna" envDefault:"UTC"`

	LogLevel slog.Level `env:"LOG_LEVEL" doc:"DEBUG (each request), INFO (each that was refused), WARN or ERROR" envDefault:"INFO"`
}

// Parse reads the configuration from environment lines of the form NAME=value. An error names every variable that is malformed.
func Parse(environ []string) (Config, error) {
	var cfg Config
	vars := make(map[string]string, len(environ))
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		vars[name] = value
	}
	if err := env.ParseWithOptions(&cfg, env.Options{Environment: vars}); err != nil {
		return Config{}, fmt.Errorf("environment: %w", err)
	}
	return cfg, nil
}

// Part names a group of settings that a command needs.
type Part int

// The parts that commands need.
const (
	NeedOwner     Part = iota // DATABASE_URL
	NeedApp                   // a database for commands, VAULT_KEY
	NeedProjector             // a database for projections, VAULT_KEY
	NeedTokens                // an issuer or a key file
)

// Validate reports all faults of the parts that a command needs at once.
func (c Config) Validate(parts ...Part) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, part := range parts {
		switch part {
		case NeedOwner:
			if c.DatabaseURL == "" {
				fault("DATABASE_URL is required")
			}
		case NeedApp:
			if c.App() == "" {
				fault("APP_DATABASE_URL (or DATABASE_URL) is required")
			}
		case NeedProjector:
			if c.Projector() == "" {
				fault("PROJECTOR_DATABASE_URL (or DATABASE_URL) is required")
			}
		case NeedTokens:
			if (c.OIDCIssuer == "") == (c.JWTKeysFile == "") {
				fault("exactly one of OIDC_ISSUER and JWT_KEYS_FILE is required")
			}
		}
	}
	if (slices.Contains(parts, NeedApp) || slices.Contains(parts, NeedProjector)) && c.VaultKey == "" {
		fault("VAULT_KEY is required: 32 random bytes in base64")
	}
	for _, setting := range []struct {
		name  string
		value Secret
	}{
		{"DATABASE_URL", c.DatabaseURL},
		{"APP_DATABASE_URL", c.AppDatabaseURL},
		{"PROJECTOR_DATABASE_URL", c.ProjectorDatabaseURL},
		{"ELASTICSEARCH_URL", Secret(c.ElasticsearchURL)},
		{"OIDC_ISSUER", Secret(c.OIDCIssuer)},
	} {
		if setting.value == "" {
			continue
		}
		if u, err := url.Parse(setting.value.Reveal()); err != nil || u.Scheme == "" || u.Host == "" && !u.Query().Has("host") { // a socket's folder
			fault("%s is not a URL", setting.name)
		}
	}
	for _, setting := range []struct{ name, value string }{{"ELASTICSEARCH_URL", c.ElasticsearchURL}, {"OIDC_ISSUER", c.OIDCIssuer}} {
		if u, err := url.Parse(setting.value); err == nil && u.User != nil { // these are printed
			fault("%s must not hold credentials", setting.name)
		}
	}
	if _, err := time.LoadLocation(c.TimeZone); err != nil {
		fault("TIME_ZONE %q is not known", c.TimeZone)
	}
	if c.CheckpointKey != "" && c.CheckpointKeyFile != "" {
		fault("only one of CHECKPOINT_KEY and CHECKPOINT_KEY_FILE may be set")
	}
	if c.CheckpointInterval < 0 {
		fault("CHECKPOINT_INTERVAL must not be negative")
	}
	if c.SelfAuditRate < 0 {
		fault("SELFAUDIT_RATE must not be negative")
	}
	if c.GiveWay < 0 {
		fault("GIVE_WAY must not be negative")
	}
	faults = append(append(faults, c.kafkaFaults()...), c.nameFaults()...)
	return errors.Join(faults...)
}

func (c Config) kafkaFaults() (faults []error) {
	if slices.Contains(c.KafkaBrokers, "") {
		faults = append(faults, errors.New("KAFKA_BROKERS has an empty one"))
	}
	if (c.KafkaSASLUser == "") != (c.KafkaSASLPassword == "") {
		faults = append(faults, errors.New("KAFKA_SASL_USER and KAFKA_SASL_PASSWORD go together"))
	}
	if c.KafkaSASLUser != "" && c.KafkaSASLMechanism != "SCRAM-SHA-256" {
		faults = append(faults, errors.New("KAFKA_SASL_MECHANISM must be SCRAM-SHA-256"))
	}
	if c.KafkaPartitions < 0 || c.KafkaReplication < 0 { // 0: what the brokers choose
		faults = append(faults, errors.New("KAFKA_PARTITIONS and KAFKA_REPLICATION must not be negative"))
	}
	return faults
}

// What names of topics, indices, headers and cookies begin with. The lengths leave room for the rest: a topic has at most 249 characters.
var (
	topicStart  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,159}$`)
	indexStart  = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,159}$`)
	headerStart = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,159}$`)
)

func (c Config) nameFaults() (faults []error) {
	for _, setting := range []struct {
		name, value string
		form        *regexp.Regexp
	}{
		{"LIBRARY_SERVICE", c.LibraryService, topicStart},
		{"LIBRARY_INDEX_PREFIX", c.LibraryIndexPrefix, indexStart},
		{"PROJECT_NAME", c.ProjectName, headerStart},
	} {
		if !setting.form.MatchString(setting.value) {
			faults = append(faults, fmt.Errorf("%s %q must be of the form %s", setting.name, setting.value, setting.form))
		}
	}
	for _, name := range c.ExtendsNames {
		switch {
		case name == "":
			faults = append(faults, errors.New("EXTENDS_NAMES has an empty one"))
		case readmodels.ReservedList(name):
			faults = append(faults, fmt.Errorf("EXTENDS_NAMES %q is a name of our own lists or of a count", name))
		}
	}
	return faults
}

// App returns the URL for commands and reads: APP_DATABASE_URL, else DATABASE_URL.
func (c Config) App() Secret { return first(c.AppDatabaseURL, c.DatabaseURL) }

// Projector returns the URL for projections: PROJECTOR_DATABASE_URL, else DATABASE_URL.
func (c Config) Projector() Secret { return first(c.ProjectorDatabaseURL, c.DatabaseURL) }

// Zone returns the zone of TIME_ZONE, UTC for one that Validate refuses.
func (c Config) Zone() *time.Location {
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// Warnings lists the settings that work but should not stay so.
func (c Config) Warnings() []string {
	var w []string
	if c.DatabaseURL != "" && c.AppDatabaseURL == "" {
		w = append(w, "APP_DATABASE_URL is not set: commands run as the owner of the database")
	}
	if c.DatabaseURL != "" && c.ProjectorDatabaseURL == "" {
		w = append(w, "PROJECTOR_DATABASE_URL is not set: projections run as the owner of the database")
	}
	return w
}

func first(values ...Secret) Secret {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
