package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// minRSABits is the least size of an RSA key that is accepted.
const minRSABits = 2048

// ErrKeys says that a key file or key set can't be used.
var ErrKeys = errors.New("keys can't be used")

// Key is a public key that tokens may be signed with. ID is empty for keys of a PEM file.
type Key struct {
	ID     string
	Public crypto.PublicKey
}

// ParseKeys reads public keys from a JSON Web Key Set or from PEM blocks (public keys or certificates). Keys of a set that are not
// for signatures, or of a kind that we don't accept, are left out; a set without any usable key is ErrKeys.
func ParseKeys(data []byte) ([]Key, error) {
	keys, err := parsePEM(data)
	if err == nil && len(keys) == 0 {
		keys, err = parseJWKS(data)
	}
	if err == nil && len(keys) == 0 {
		err = fmt.Errorf("%w: no RSA, P-256 or Ed25519 signing key among them", ErrKeys)
	}
	return keys, err
}

func parsePEM(data []byte) ([]Key, error) {
	var keys []Key
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		public, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("%w: PEM block %q: %w", ErrKeys, block.Type, err)
		}
		if !usable(public) {
			return nil, fmt.Errorf("%w: PEM block %q holds a %T", ErrKeys, block.Type, public)
		}
		keys = append(keys, Key{Public: public})
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (crypto.PublicKey, error) {
	switch block.Type {
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	}
	return nil, errors.New("a public key or certificate is wanted")
}

func usable(public crypto.PublicKey) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey:
		return k.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return len(k) == ed25519.PublicKeySize
	}
	return false
}

// jwk holds the members of RFC 7517, 7518 and 8037 that public signing keys have.
type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Crv string `json:"crv"`
	N   string `json:"n"`
	E   string `json:"e"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

func parseJWKS(data []byte) ([]Key, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("%w: neither PEM nor a JSON Web Key Set: %w", ErrKeys, err)
	}
	var keys []Key
	for _, k := range set.Keys {
		if k.Use != "" && k.Use != "sig" {
			continue
		}
		public, err := k.public()
		if err != nil {
			return nil, fmt.Errorf("%w: key %q: %w", ErrKeys, k.Kid, err)
		}
		if usable(public) {
			keys = append(keys, Key{ID: k.Kid, Public: public})
		}
	}
	return keys, nil
}

// public returns the key, or nil for a kind that we don't accept.
func (k jwk) public() (crypto.PublicKey, error) {
	switch {
	case k.Kty == "RSA":
		n, e, err := decodePair(k.N, k.E)
		if err != nil || len(e) == 0 || len(e) > 4 {
			return nil, errors.Join(errors.New("malformed RSA key"), err)
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
	case k.Kty == "EC" && k.Crv == "P-256":
		x, y, err := decodePair(k.X, k.Y)
		if err != nil {
			return nil, err
		}
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	case k.Kty == "OKP" && k.Crv == "Ed25519":
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		return ed25519.PublicKey(x), err
	}
	return nil, nil //nolint:nilnil // a key of another kind is no fault of the set
}

func decodePair(a, b string) (x, y []byte, err error) {
	if x, err = base64.RawURLEncoding.DecodeString(a); err == nil {
		y, err = base64.RawURLEncoding.DecodeString(b)
	}
	return x, y, err
}
