package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"payledger/projections/publisher"
)

// stack is Payledger as it runs in production, each role a process: all on one library's database.
type stack struct {
	suite   *suite
	library *library
	binary  string
	key     ed25519.PrivateKey
	env     []string
	token   string
	broker  *process
	kafka   *kgo.Client
	topics  []string

	api       *process // nil when it doesn't run
	url       string
	projector *process // likewise

	desk desk
}

// useStack returns the stack, which the first caller prepares: the broker runs, the roles don't.
func (s *suite) useStack(ctx context.Context) (*stack, error) {
	if s.stack != nil {
		return s.stack, nil
	}
	l, err := s.useLibrary(ctx)
	if err != nil {
		return nil, err
	}
	st := &stack{suite: s, library: l}
	s.stack = st
	for _, t := range publisher.Topics(publisher.TopicConfig{}) {
		st.topics = append(st.topics, t.Topic)
	}
	for _, prepare := range []func(context.Context) error{st.build, st.startBroker, st.configure} {
		if err := prepare(ctx); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// build makes the binary, as users do.
func (st *stack) build(ctx context.Context) error {
	st.binary = st.suite.binary
	if st.binary != "" {
		return nil
	}
	st.binary = filepath.Join(st.suite.dir, "payledger")
	st.suite.binary = st.binary // for the next stack
	//nolint:gosec // a path of our own
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", st.binary, "./cmd/payledger").CombinedOutput(); err != nil {
		return fmt.Errorf("build payledger: %w\n%s", err, out)
	}
	return nil
}

func (st *stack) startBroker(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	if st.broker, err = start(ctx, st.suite.dir, brokerRole, self, []string{brokerRole}, nil); err != nil {
		return err
	}
	line, err := st.broker.line()
	if err != nil {
		return err
	}
	address := strings.TrimSpace(string(line))
	st.env = append(st.env, "KAFKA_BROKERS="+address)
	if st.kafka, err = kgo.NewClient(kgo.SeedBrokers(address)); err != nil {
		return fmt.Errorf("connect to the broker: %w", err)
	}
	return nil
}

// keyID names the key that signs the token.
const keyID = "bench"

// configure makes the key that tokens are signed with, a token for the desk, and the environment of the roles.
func (st *stack) configure(context.Context) error {
	seed := [ed25519.SeedSize]byte{1} // the same in every run: it guards nothing
	key := ed25519.NewKeyFromSeed(seed[:])
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return errors.New("make a key: not Ed25519")
	}
	jwks, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": keyID, "x": base64.RawURLEncoding.EncodeToString(public),
	}}})
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	file := filepath.Join(st.suite.dir, "jwks.json")
	if err := os.WriteFile(file, jwks, 0o600); err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	st.key = key
	if st.token, err = st.sign(newID(idStaff, 0).String(), "staff"); err != nil {
		return err
	}
	database := st.suite.postgres
	st.env = append(st.env, "JWT_KEYS_FILE="+file, "VAULT_KEY="+base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"APP_DATABASE_URL="+database.url(st.library.database, roleApp), "PROJECTOR_DATABASE_URL="+database.url(st.library.database, roleProjector),
		"LIBRARY_LISTEN=127.0.0.1:0", "TICKET_LISTEN=127.0.0.1:0", "ADMIN_LISTEN=127.0.0.1:0", "DATABASE_URL=", "OIDC_ISSUER=", "ELASTICSEARCH_URL=",
		"KAFKA_SASL_USER=", "KAFKA_TLS=false")
	return nil
}

// sign makes a token for somebody.
func (st *stack) sign(subject, role string) (string, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"aud": "payledger", "sub": subject, "sid": newID(idStaff, 1).String(), "tenant": tenant,
		"roles": []string{role}, "exp": time.Now().Add(24 * time.Hour).Unix(),
	})
	token.Header["kid"] = keyID
	signed, err := token.SignedString(st.key)
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	return signed, nil
}

// role starts a role of the binary.
func (st *stack) role(ctx context.Context, name string, args ...string) (*process, error) {
	return start(ctx, st.suite.dir, name, st.binary, args, st.env)
}

// serve starts the API, if it doesn't run, and waits until it is ready.
func (st *stack) serve(ctx context.Context) error {
	if st.api != nil {
		return nil
	}
	var err error
	if st.api, err = st.role(ctx, "serve", "serve", "--json"); err != nil {
		return err
	}
	line, err := st.api.line()
	if err != nil {
		return err
	}
	var ready struct {
		Library string `json:"library"`
	}
	if err := json.Unmarshal(line, &ready); err != nil || ready.Library == "" {
		return fmt.Errorf("serve said %q: %w", line, err)
	}
	st.url = strings.TrimPrefix(ready.Library, "http://")
	return nil
}

// project starts all projectors in one process, if they don't run.
func (st *stack) project(ctx context.Context) error {
	if st.projector != nil {
		return nil
	}
	var err error
	st.projector, err = st.role(ctx, "project", "project")
	return err
}

// close stops what runs.
func (st *stack) close() error {
	var errs []error
	for _, p := range []*process{st.api, st.projector} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	if st.kafka != nil {
		st.kafka.Close()
	}
	if st.broker != nil {
		errs = append(errs, st.broker.stop())
	}
	return errors.Join(errs...)
}
