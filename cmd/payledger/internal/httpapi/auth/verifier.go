package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// leeway is how far the issuer's clock may be ahead of ours. Expired is expired: there it doesn't count.
	leeway = 30 * time.Second
	// recheckAfter bounds how long a verified token is trusted without looking at its signature again, so that a withdrawn key
	// takes effect.
	recheckAfter = 5 * time.Minute
	// maxToken bounds a token's length in bytes, maxCached the tokens that are remembered.
	maxToken  = 8 << 10
	maxCached = 20_000
	// maxName bounds subject, session id and tenants, in bytes.
	maxName = 128
)

// Config says whose tokens are accepted.
type Config struct {
	// Issuer may be empty for a key file only: then the keys alone say whose tokens are good.
	Issuer   string
	Audience string
	Keys     KeySource
	Now      func() time.Time
}

// Verifier verifies tokens. Checking a signature costs far more than a hash, so verified tokens are remembered by their SHA-256.
type Verifier struct {
	config Config
	parser *jwt.Parser
	cache  *lru.Cache[[sha256.Size]byte, cached]
}

type cached struct {
	identity *Identity
	until    time.Time
}

// NewVerifier returns a verifier. It refuses a config that would accept tokens of anybody.
func NewVerifier(c Config) (*Verifier, error) {
	if c.Audience == "" || c.Keys == nil || c.Now == nil {
		return nil, errors.New("verify tokens: audience, keys and clock are needed")
	}
	if _, static := c.Keys.(StaticKeys); c.Issuer == "" && !static {
		return nil, errors.New("verify tokens: the issuer is needed")
	}
	cache, err := lru.New[[sha256.Size]byte, cached](maxCached)
	if err != nil {
		return nil, fmt.Errorf("verify tokens: %w", err)
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{"RS256", "ES256", "EdDSA"}),
		jwt.WithAudience(c.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(c.Now),
		jwt.WithStrictDecoding(),
	}
	if c.Issuer != "" {
		options = append(options, jwt.WithIssuer(c.Issuer))
	}
	return &Verifier{config: c, parser: jwt.NewParser(options...), cache: cache}, nil
}

// Verify returns the caller whom a token names. Errors: ErrNoToken, ErrBadToken, ErrKeysUnavailable.
func (v *Verifier) Verify(ctx context.Context, token string) (*Identity, error) {
	switch {
	case token == "":
		return nil, ErrNoToken
	case len(token) > maxToken:
		return nil, fmt.Errorf("%w: too long", ErrBadToken)
	}
	sum := sha256.Sum256([]byte(token))
	now := v.config.Now()
	if c, ok := v.cache.Get(sum); ok && now.Before(c.until) {
		return c.identity, nil
	}
	id, err := v.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	until := now.Add(recheckAfter)
	if id.Expires.Before(until) {
		until = id.Expires
	}
	v.cache.Add(sum, cached{identity: id, until: until})
	return id, nil
}

// claims are the claims that we read.
type claims struct {
	jwt.RegisteredClaims
	Tenant  stringOrList `json:"tenant"`
	Roles   []Role       `json:"roles"`
	Session string       `json:"sid"`
}

func (v *Verifier) verify(ctx context.Context, token string) (*Identity, error) {
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) { return v.candidates(ctx, t) })
	switch {
	case errors.Is(err, ErrKeysUnavailable):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrBadToken, err)
	}
	switch {
	case !v.config.Now().Before(c.ExpiresAt.Time):
		return nil, fmt.Errorf("%w: expired", ErrBadToken)
	case c.Subject == "":
		return nil, fmt.Errorf("%w: no subject", ErrBadToken)
	}
	if slices.Contains(c.Tenant, "") {
		return nil, fmt.Errorf("%w: a tenant without a name", ErrBadToken)
	}
	for _, name := range append([]string{c.Subject, c.Session}, c.Tenant...) {
		if !ValidName(name) {
			return nil, fmt.Errorf("%w: subject, session or tenant too long or not printable", ErrBadToken)
		}
	}
	return NewIdentity(c.Subject, c.Session, c.Tenant, c.Roles, c.ExpiresAt.Time), nil
}

// NewIdentity returns the identity of a caller that was verified.
func NewIdentity(subject, session string, tenants []string, roles []Role, expires time.Time) *Identity {
	return &Identity{
		Subject: subject, SessionID: session, Tenants: tenants, Roles: roles, Expires: expires, permissions: Granted(roles...),
	}
}

// candidates returns the keys that may have signed. The library refuses a key whose kind isn't that of the algorithm.
func (v *Verifier) candidates(ctx context.Context, t *jwt.Token) (any, error) {
	kid, _ := t.Header["kid"].(string)
	keys, err := v.config.Keys.Keys(ctx, kid)
	if err != nil {
		return nil, err
	}
	set := jwt.VerificationKeySet{}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public)
	}
	return set, nil
}

// stringOrList is a claim that may be one string or several.
type stringOrList []string

// UnmarshalJSON reads either form.
func (s *stringOrList) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*s = nil
		if one != "" {
			*s = stringOrList{one}
		}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(s))
}

// ValidName says whether a subject, session or tenant can stand in a token: at most 128 bytes, all printable. An empty one can.
func ValidName(name string) bool { return len(name) <= maxName && printable(name) }

func printable(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return false
		}
	}
	return true
}
