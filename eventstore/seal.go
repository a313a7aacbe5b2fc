package eventstore

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// ErrSealed says that a sealed text can't be opened: it was changed, moved to another place, or sealed under another key.
var ErrSealed = errors.New("sealed text can't be opened")

// sealVersion begins every sealed text. Another cipher or another text form gets another one.
const sealVersion = "v1"

// Binding is the place of a sealed text. A text opens only in the place that it was sealed for.
type Binding struct {
	Stream  StreamID
	EventID uuid.UUID
	Field   string // name of the field in the event's payload
}

// Seal encrypts a text under a person's key, for one place: AES-256-GCM with a random nonce. The result is plain ASCII,
// "v1.<key id>.<base64url of nonce, ciphertext and tag>", and differs each time.
func Seal(key Key, plain string, bind Binding) string {
	aead := newAEAD(key.Secret)
	box := aead.Seal(nil, nil, []byte(plain), bind.additional()) //nolint:gosec // the AEAD makes its own random nonces
	return sealVersion + "." + key.ID.String() + "." + base64.RawURLEncoding.EncodeToString(box)
}

// Unseal decrypts what Seal made for the same place with the same key; ErrSealed if it didn't.
func Unseal(key Key, sealed string, bind Binding) (string, error) {
	id, box, err := splitSealed(sealed)
	if err != nil {
		return "", err
	}
	if id != key.ID {
		return "", fmt.Errorf("open a text under key %s that names key %s: %w", key.ID, id, ErrSealed)
	}
	plain, err := newAEAD(key.Secret).Open(nil, nil, box, bind.additional())
	if err != nil {
		return "", fmt.Errorf("open %s of event %s in stream %s under key %s: %w", bind.Field, bind.EventID, bind.Stream, id, ErrSealed)
	}
	return string(plain), nil
}

// SealedKey returns the id of the key that a text is sealed under; ErrSealed if it is no sealed text.
func SealedKey(sealed string) (uuid.UUID, error) {
	id, _, err := splitSealed(sealed)
	return id, err
}

// splitSealed accepts exactly what Seal writes: one text form for one ciphertext.
func splitSealed(sealed string) (id uuid.UUID, box []byte, err error) {
	version, rest, _ := strings.Cut(sealed, ".")
	name, encoded, ok := strings.Cut(rest, ".")
	if !ok || version != sealVersion {
		return uuid.Nil, nil, fmt.Errorf("read a sealed text: %w", ErrSealed)
	}
	id, err = uuid.Parse(name)
	if err != nil || id.String() != name {
		return uuid.Nil, nil, fmt.Errorf("read the key id of a sealed text: %w", ErrSealed)
	}
	// The decoder skips line breaks even when strict.
	box, err = base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return uuid.Nil, nil, fmt.Errorf("read the ciphertext of a sealed text: %w", ErrSealed)
	}
	return id, box, nil
}

// additional is the authenticated data. Fields stand behind their lengths, as in the hash chain: no two places share it.
func (b Binding) additional() []byte {
	out := appendField(nil, "payledger sealed text "+sealVersion)
	out = appendField(out, b.Stream.Tenant)
	out = appendField(out, b.Stream.Name)
	out = appendField(out, b.EventID[:])
	return appendField(out, b.Field)
}

// newAEAD returns AES-256-GCM with a random nonce of 96 bits before each ciphertext. One person's key seals far fewer
// than the 2^32 texts up to which random nonces are safe.
func newAEAD(secret [32]byte) cipher.AEAD {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		panic(err) // a key of 32 bytes is always right
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES always fits GCM
	}
	return aead
}
