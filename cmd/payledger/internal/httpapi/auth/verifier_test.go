package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi/auth"
)

const (
	issuer   = "https://issuer.example"
	audience = "payledger"
)

// testKeys are made once: an RSA key takes long.
type testKeys struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
	ed  ed25519.PrivateKey
}

func makeKeys(t *testing.T) testKeys {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, d, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return testKeys{r, e, d}
}

func (k testKeys) jwks(t *testing.T) []byte {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	point, err := k.ec.PublicKey.Bytes()
	require.NoError(t, err)
	ed, ok := k.ed.Public().(ed25519.PublicKey)
	require.True(t, ok)
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": "RSA", "kid": "r", "use": "sig", "n": b64(k.rsa.N.Bytes()), "e": b64(big.NewInt(int64(k.rsa.E)).Bytes())},
		{"kty": "EC", "kid": "e", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])},
		{"kty": "OKP", "kid": "d", "crv": "Ed25519", "x": b64(ed)},
		{"kty": "RSA", "kid": "enc", "use": "enc", "n": b64(k.rsa.N.Bytes()), "e": "AQAB"},
		{"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
	}})
	require.NoError(t, err)
	return set
}

func goodClaims() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": "user-1", "sid": "session-1", "tenant": "demo", "roles": []string{"staff"},
		"exp": now().Add(time.Hour).Unix(),
	}
}

func now() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

func sign(t *testing.T, method jwt.SigningMethod, key any, kid string, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	signed, err := token.SignedString(key)
	require.NoError(t, err)
	return signed
}

func verifier(t *testing.T, keys auth.KeySource, clock func() time.Time) *auth.Verifier {
	t.Helper()
	v, err := auth.NewVerifier(auth.Config{Issuer: issuer, Audience: audience, Keys: keys, Now: clock})
	require.NoError(t, err)
	return v
}

func TestVerify(t *testing.T) {
	t.Parallel()
	keys := makeKeys(t)
	set, err := auth.ParseKeys(keys.jwks(t))
	require.NoError(t, err)
	require.Len(t, set, 3)
	v := verifier(t, auth.StaticKeys(set), now)

	for _, token := range []string{
		sign(t, jwt.SigningMethodRS256, keys.rsa, "r", goodClaims()),
		sign(t, jwt.SigningMethodES256, keys.ec, "e", goodClaims()),
		sign(t, jwt.SigningMethodEdDSA, keys.ed, "d", goodClaims()),
		sign(t, jwt.SigningMethodEdDSA, keys.ed, "", goodClaims()),
	} {
		for range 2 { // verified, then remembered
			id, err := v.Verify(t.Context(), token)
			require.NoError(t, err)
			require.Equal(t, "user-1", id.Subject)
			require.Equal(t, "session-1", id.SessionID)
			require.Equal(t, []string{"demo"}, id.Tenants)
			require.True(t, id.May(auth.AssessFee))
		}
	}

	change := func(name string, value any) jwt.MapClaims {
		c := goodClaims()
		c[name] = value
		if value == nil {
			delete(c, name)
		}
		return c
	}
	ed := func(c jwt.MapClaims) string { return sign(t, jwt.SigningMethodEdDSA, keys.ed, "d", c) }
	good := ed(goodClaims())
	stranger := makeKeys(t)
	publicPEM := pemOf(t, keys.rsa.Public())
	bad := map[string]string{
		"rubbish":              "rubbish",
		"too long":             strings.Repeat("x", 9<<10),
		"no signature":         good[:strings.LastIndex(good, ".")+1],
		"other payload":        swapPayload(good, ed(change("roles", []string{"admin"}))),
		"none":                 sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "d", goodClaims()),
		"HMAC by public key":   sign(t, jwt.SigningMethodHS256, publicPEM, "r", goodClaims()),
		"HMAC by modulus":      sign(t, jwt.SigningMethodHS256, keys.rsa.N.Bytes(), "r", goodClaims()),
		"RS512":                sign(t, jwt.SigningMethodRS512, keys.rsa, "r", goodClaims()),
		"PS256":                sign(t, jwt.SigningMethodPS256, keys.rsa, "r", goodClaims()),
		"stranger":             sign(t, jwt.SigningMethodEdDSA, stranger.ed, "d", goodClaims()),
		"stranger's RSA":       sign(t, jwt.SigningMethodRS256, stranger.rsa, "r", goodClaims()),
		"key of another kind":  sign(t, jwt.SigningMethodEdDSA, keys.ed, "r", goodClaims()),
		"key not for signing":  sign(t, jwt.SigningMethodRS256, keys.rsa, "enc", goodClaims()),
		"unknown key":          sign(t, jwt.SigningMethodEdDSA, keys.ed, "x", goodClaims()),
		"other issuer":         ed(change("iss", "https://other.example")),
		"no issuer":            ed(change("iss", nil)),
		"other audience":       ed(change("aud", "shop")),
		"no audience":          ed(change("aud", nil)),
		"expired":              ed(change("exp", now().Add(-time.Minute).Unix())),
		"just expired":         ed(change("exp", now().Unix())),
		"no expiry":            ed(change("exp", nil)),
		"not yet":              ed(change("nbf", now().Add(time.Minute).Unix())),
		"no subject":           ed(change("sub", nil)),
		"subject with control": ed(change("sub", "a\x00b")),
		"long subject":         ed(change("sub", strings.Repeat("u", 129))),
		"tenant with control":  ed(change("tenant", []string{"a", "b\n"})),
		"tenant of no name":    ed(change("tenant", []string{"a", ""})),
		"roles as number":      ed(change("roles", 1)),
	}
	for name, token := range bad {
		_, err := v.Verify(t.Context(), token)
		require.ErrorIs(t, err, auth.ErrBadToken, name)
	}
	_, err = v.Verify(t.Context(), "")
	require.ErrorIs(t, err, auth.ErrNoToken)

	id, err := v.Verify(t.Context(), ed(change("tenant", []string{"a", "b"})))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, id.Tenants)
	id, err = v.Verify(t.Context(), ed(change("tenant", "")))
	require.NoError(t, err)
	require.Empty(t, id.Tenants)
}

// A remembered token is not good for longer than it says.
func TestRememberedTokensExpire(t *testing.T) {
	t.Parallel()
	keys := makeKeys(t)
	var clock atomic.Int64
	v := verifier(t, auth.StaticKeys{{Public: keys.ed.Public()}}, func() time.Time { return now().Add(time.Duration(clock.Load())) })
	token := sign(t, jwt.SigningMethodEdDSA, keys.ed, "", goodClaims())
	_, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	clock.Store(int64(time.Hour + time.Minute))
	_, err = v.Verify(t.Context(), token)
	require.ErrorIs(t, err, auth.ErrBadToken)
}

func TestParsePEM(t *testing.T) {
	t.Parallel()
	keys := makeKeys(t)
	all := append(append(pemOf(t, keys.rsa.Public()), pemOf(t, keys.ec.Public())...), pemOf(t, keys.ed.Public())...)
	set, err := auth.ParseKeys(all)
	require.NoError(t, err)
	require.Len(t, set, 3)
	v := verifier(t, auth.StaticKeys(set), now)
	_, err = v.Verify(t.Context(), sign(t, jwt.SigningMethodES256, keys.ec, "any", goodClaims()))
	require.NoError(t, err)

	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(keys.ed)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"nothing": nil, "rubbish": []byte("rubbish"), "empty set": []byte(`{"keys":[]}`), "bad key": []byte(`{"keys":[{"kty":"RSA"}]}`),
		"point off the curve": []byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`),
		"weak":                pemOf(t, weak.Public()), "P-384": pemOf(t, p384.Public()),
		"private": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	} {
		_, err := auth.ParseKeys(data)
		require.ErrorIs(t, err, auth.ErrKeys, name)
	}
}

func TestNewVerifierRefusesOpenDoors(t *testing.T) {
	t.Parallel()
	full := auth.Config{Issuer: issuer, Audience: audience, Keys: auth.StaticKeys{}, Now: now}
	_, err := auth.NewVerifier(full)
	require.NoError(t, err)
	for _, c := range []auth.Config{
		{Issuer: issuer, Keys: full.Keys, Now: now},
		{Issuer: issuer, Audience: audience, Now: now},
		{Issuer: issuer, Audience: audience, Keys: full.Keys},
		{Audience: audience, Keys: &auth.RemoteKeys{}, Now: now},
	} {
		_, err := auth.NewVerifier(c)
		require.Error(t, err)
	}
}

// An issuer with its discovery document and key set, which can be changed, broken and counted.
type fakeIssuer struct {
	*httptest.Server
	mu    sync.Mutex
	set   []byte // nil: it fails
	asked atomic.Int64
}

func newIssuer(t *testing.T, set []byte) *fakeIssuer {
	t.Helper()
	f := &fakeIssuer{set: set}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, f.URL, f.URL+"/keys")
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		f.asked.Add(1)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.set == nil {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = w.Write(f.set)
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeIssuer) publish(set []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set = set
}

func TestRemoteKeys(t *testing.T) {
	t.Parallel()
	first, second := makeKeys(t), makeKeys(t)
	f := newIssuer(t, first.jwks(t))
	var clock atomic.Int64
	tick := func() time.Time { return now().Add(time.Duration(clock.Load())) }
	remote, err := auth.Discover(t.Context(), f.Client(), f.URL, tick)
	require.NoError(t, err)
	v, err := auth.NewVerifier(auth.Config{Issuer: f.URL, Audience: audience, Keys: remote, Now: tick})
	require.NoError(t, err)
	token := func(k testKeys, kid, session string) string {
		c := goodClaims()
		c["iss"], c["sid"] = f.URL, session
		return sign(t, jwt.SigningMethodEdDSA, k.ed, kid, c)
	}
	verify := func(token string) error {
		_, err := v.Verify(context.Background(), token)
		return err
	}

	require.NoError(t, verify(token(first, "d", "1")))
	require.NoError(t, verify(token(first, "d", "2")))
	require.EqualValues(t, 1, f.asked.Load(), "known keys are not fetched again")

	// Made-up key ids don't make us a tool against the issuer.
	for i := range 20 {
		require.ErrorIs(t, verify(token(first, fmt.Sprint("x", i), "3")), auth.ErrBadToken)
	}
	require.LessOrEqual(t, f.asked.Load(), int64(2))

	// The issuer is down: known keys stay good, unknown ones are nobody's fault.
	f.publish(nil)
	clock.Store(int64(11 * time.Minute))
	require.NoError(t, verify(token(first, "d", "4")))
	require.ErrorIs(t, verify(token(second, "new", "5")), auth.ErrKeysUnavailable)

	// Roll over: the new key is fetched, the old one is withdrawn.
	f.publish([]byte(strings.ReplaceAll(string(second.jwks(t)), `"kid":"d"`, `"kid":"new"`)))
	clock.Store(int64(12 * time.Minute))
	require.NoError(t, verify(token(second, "new", "6")))
	require.ErrorIs(t, verify(token(first, "d", "7")), auth.ErrBadToken)
}

// A token with a made-up key id, and an issuer that takes its time, hold nobody up who has a known key.
func TestSlowIssuerHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	keys := makeKeys(t)
	f := newIssuer(t, keys.jwks(t))
	var clock atomic.Int64
	remote, err := auth.Discover(t.Context(), f.Client(), f.URL, func() time.Time { return now().Add(time.Duration(clock.Load())) })
	require.NoError(t, err)
	found, err := remote.Keys(t.Context(), "d")
	require.NoError(t, err)
	require.NotEmpty(t, found)

	clock.Store(int64(time.Minute)) // it may be asked again
	f.mu.Lock()                     // and hangs
	var asking sync.WaitGroup
	asking.Go(func() { _, _ = remote.Keys(context.Background(), "made-up") })
	known := make(chan error, 1)
	require.Eventually(t, func() bool { return f.asked.Load() == 2 }, 10*time.Second, time.Millisecond)
	go func() {
		_, err := remote.Keys(context.Background(), "d")
		known <- err
	}()
	select {
	case err = <-known:
	case <-time.After(2 * time.Second):
		err = errors.New("waits for a fetch that it doesn't need")
	}
	f.mu.Unlock()
	asking.Wait()
	require.NoError(t, err)
}

func TestDiscoverRefuses(t *testing.T) {
	t.Parallel()
	keys := makeKeys(t)
	f := newIssuer(t, keys.jwks(t))
	_, err := auth.Discover(t.Context(), f.Client(), f.URL+"/other", now)
	require.ErrorIs(t, err, auth.ErrKeysUnavailable, "no document there")
	impostor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, f.URL, f.URL+"/keys")
	}))
	t.Cleanup(impostor.Close)
	_, err = auth.Discover(t.Context(), impostor.Client(), impostor.URL, now)
	require.ErrorIs(t, err, auth.ErrKeysUnavailable, "it speaks for another issuer")
	f.Close()
	_, err = auth.Discover(t.Context(), http.DefaultClient, f.URL, now)
	require.ErrorIs(t, err, auth.ErrKeysUnavailable)
}

func pemOf(t *testing.T, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// swapPayload keeps header and signature of one token and takes the payload of another.
func swapPayload(token, other string) string {
	a, b := strings.Split(token, "."), strings.Split(other, ".")
	return a[0] + "." + b[1] + "." + a[2]
}
