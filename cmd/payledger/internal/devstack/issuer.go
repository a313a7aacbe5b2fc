package devstack

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	keyFile  = "issuer-key.pem"
	jwksFile = "jwks.json"
	keyID    = "dev"
)

// Issuer signs tokens for development. Its private key lies in a file that only its owner can read.
type Issuer struct {
	key      ed25519.PrivateKey
	jwksPath string
	audience string
}

// Claims are what a token says of its bearer.
type Claims struct {
	Subject string
	Tenant  string
	Role    string
	TTL     time.Duration
}

// OpenIssuer reads the issuer's key from dir, or makes one at the first start.
func OpenIssuer(dir, audience string) (*Issuer, error) {
	key, err := readOrMakeKey(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	i := &Issuer{key: key, jwksPath: filepath.Join(dir, jwksFile), audience: audience}
	if err := i.writeJWKS(); err != nil {
		return nil, err
	}
	return i, nil
}

// KeysFile returns the path of the JWKS file with the issuer's public key: the value for JWT_KEYS_FILE.
func (i *Issuer) KeysFile() string { return i.jwksPath }

// Token signs a token that is valid from now for the claims' TTL.
func (i *Issuer) Token(c Claims, now time.Time) (string, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"iss": "payledger-dev", "aud": i.audience, "sub": c.Subject, "sid": uuid.NewSHA1(uuid.NameSpaceOID, []byte(c.Subject)).String(),
		"tenant": c.Tenant, "roles": []string{c.Role}, "iat": now.Unix(), "exp": now.Add(c.TTL).Unix(),
	})
	token.Header["kid"] = keyID
	signed, err := token.SignedString(i.key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

func readOrMakeKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path) //nolint:gosec // our own data folder
	if errors.Is(err, os.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the issuer's key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("read the issuer's key: %s holds no PEM block", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the issuer's key: %w", err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read the issuer's key: %s is not an Ed25519 key", path)
	}
	return key, nil
}

func makeKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the issuer's key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make the issuer's key: %w", err)
	}
	if err := WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return nil, err
	}
	return key, nil
}

func (i *Issuer) writeJWKS() error {
	public, ok := i.key.Public().(ed25519.PublicKey)
	if !ok {
		return errors.New("write the issuer's public key: not Ed25519")
	}
	jwks, err := json.MarshalIndent(map[string]any{"keys": []map[string]string{{
		"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": keyID, "x": base64.RawURLEncoding.EncodeToString(public),
	}}}, "", "  ")
	if err != nil {
		return fmt.Errorf("write the issuer's public key: %w", err)
	}
	return WriteFile(i.jwksPath, jwks)
}

// VaultKey reads the key that wraps the keys of personal texts from dir, or makes one at the first start. Base64, as VAULT_KEY.
func VaultKey(dir string) (string, error) {
	path := filepath.Join(dir, "vault-key")
	text, err := os.ReadFile(path) //nolint:gosec // our own data folder
	if err == nil {
		return string(text), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read the vault's key: %w", err)
	}
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return "", fmt.Errorf("make the vault's key: %w", err)
	}
	encoded := base64.StdEncoding.EncodeToString(key[:])
	return encoded, WriteFile(path, []byte(encoded))
}

// WriteFile writes a whole file or none of it: a half-written key would be worse than no key. Only its owner can read it.
func WriteFile(path string, content []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
