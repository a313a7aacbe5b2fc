package proof

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Errors of checkpoints. Callers compare with errors.Is.
var (
	// ErrCheckpoint: the text is not that of a checkpoint.
	ErrCheckpoint = errors.New("not a checkpoint")
	// ErrSignature: no known key has signed the checkpoint, or its signature is wrong.
	ErrSignature = errors.New("not signed by a known key")
	// ErrKey: what should be a key, or a list of keys, is none.
	ErrKey = errors.New("not a key")
)

// Checkpoint says what the log was at a moment.
type Checkpoint struct {
	Origin   string    // name of the log and of its key
	Size     int64     // number of events: position of the last one
	Root     tlog.Hash // of the Merkle tree over them
	Epoch    int64     // of the log when it was signed
	Head     [32]byte  // hash of the last event in the chain; zeros without any
	SignedAt time.Time // by the signer's clock, whole seconds
	Restored int64     // if not 0: a restore took away the events behind Size; checkpoints up to this size had been signed
}

// Text returns what is signed: the C2SP tlog-checkpoint of origin, size and root, with one extension line for each further field.
func (c Checkpoint) Text() string {
	text := fmt.Sprintf("%s\n%d\n%s\nepoch %d\nhead %x\ntime %s\n", c.Origin, c.Size, c.Root, c.Epoch, c.Head, c.SignedAt.UTC().Format(time.RFC3339))
	if c.Restored > 0 {
		text += fmt.Sprintf("restored %d\n", c.Restored)
	}
	return text
}

// ParseCheckpoint is the inverse of Text: no other text is taken. ErrCheckpoint otherwise.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != 6 && len(lines) != 7 {
		return Checkpoint{}, fmt.Errorf("%w: it has %d lines", ErrCheckpoint, len(lines))
	}
	c := Checkpoint{Origin: lines[0]}
	number := func(line, name string, n *int64) (err error) {
		*n, err = strconv.ParseInt(strings.TrimPrefix(line, name), 10, 64)
		return err
	}
	root, rootErr := tlog.ParseHash(lines[2])
	head, headErr := hex.DecodeString(strings.TrimPrefix(lines[4], "head "))
	at, timeErr := time.Parse(time.RFC3339, strings.TrimPrefix(lines[5], "time "))
	err := errors.Join(number(lines[1], "", &c.Size), rootErr, number(lines[3], "epoch ", &c.Epoch), headErr, timeErr)
	if err == nil && len(lines) == 7 {
		err = number(lines[6], "restored ", &c.Restored)
	}
	c.Root, c.SignedAt = root, at
	copy(c.Head[:], head)
	if err != nil || c.Origin == "" || c.Size < 0 || c.Epoch < 1 || c.Restored < 0 || c.Text() != text {
		return Checkpoint{}, fmt.Errorf("%w: %q", ErrCheckpoint, text)
	}
	return c, nil
}

// Signers are the keys that sign checkpoints: one, or while keys are changed the old one and the new one.
type Signers struct {
	signers []note.Signer
	known   Keys
}

// ParseSigners reads private keys in the form of signed notes (PRIVATE+KEY+name+hash+key), separated by white space. All must have
// one name, the origin of the log. ErrKey otherwise; the message never holds the key.
func ParseSigners(text string) (Signers, error) {
	var s Signers
	for i, field := range strings.Fields(text) {
		signer, err := note.NewSigner(field)
		if err != nil {
			return Signers{}, fmt.Errorf("%w: private key %d", ErrKey, i+1)
		}
		if i > 0 && signer.Name() != s.Origin() {
			return Signers{}, fmt.Errorf("%w: private keys of %s and of %s", ErrKey, s.Origin(), signer.Name())
		}
		public, err := publicKey(field)
		if err != nil {
			return Signers{}, err
		}
		s.signers, s.known.list = append(s.signers, signer), append(s.known.list, public)
	}
	if len(s.signers) == 0 {
		return Signers{}, fmt.Errorf("%w: no private key", ErrKey)
	}
	return s, nil
}

// publicKey returns the public half of a private key that note has read: its last part (base64, which has + too) is kind and seed.
func publicKey(private string) (note.Verifier, error) {
	parts := strings.SplitN(private, "+", 5)
	seed, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return nil, fmt.Errorf("%w: a private key of another kind than Ed25519", ErrKey)
	}
	public, _ := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	text, err := note.NewEd25519VerifierKey(parts[2], public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return note.NewVerifier(text)
}

// Origin returns the name of the keys.
func (s Signers) Origin() string { return s.signers[0].Name() }

// Keys returns the public halves.
func (s Signers) Keys() Keys { return s.known }

// Sign returns the signed note of a checkpoint, whose origin must be the signers'.
func (s Signers) Sign(c Checkpoint) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: c.Text()}, s.signers...)
	if err != nil {
		return nil, fmt.Errorf("sign a checkpoint: %w", err)
	}
	return signed, nil
}

// NewKey makes a key for the log of a name: the private half, and the public one that auditors are given.
func NewKey(origin string) (private, public string, err error) {
	if private, public, err = note.GenerateKey(rand.Reader, origin); err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	if _, err := ParseKeys(public); err != nil {
		return "", "", fmt.Errorf("%w: %q is no name for one: it is a URL without scheme, without spaces and +", ErrKey, origin)
	}
	return private, public, nil
}

// Keys are public keys that are known to be those of a log.
type Keys struct{ list []note.Verifier }

// ParseKeys reads public keys in the form of signed notes (name+hash+key), one a line. Empty lines and those that begin
// with # don't count. ErrKey if there is none, or what is no key.
func ParseKeys(text string) (Keys, error) {
	var k Keys
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := note.NewVerifier(line)
		if err != nil {
			return Keys{}, fmt.Errorf("%w: %q", ErrKey, line)
		}
		k.list = append(k.list, key)
	}
	if len(k.list) == 0 {
		return Keys{}, fmt.Errorf("%w: no public key", ErrKey)
	}
	return k, nil
}

// Open returns the checkpoint of a signed note: at least one known key must have signed it, and its name must be the origin.
// ErrSignature, ErrCheckpoint.
func (k Keys) Open(signed []byte) (Checkpoint, error) {
	n, err := note.Open(signed, note.VerifierList(k.list...))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	for _, s := range n.Sigs { // one text for one signature
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return Checkpoint{}, fmt.Errorf("%w: %w", ErrSignature, err)
		}
	}
	if !slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == c.Origin }) {
		return Checkpoint{}, fmt.Errorf("%w: the key of another log has signed a checkpoint of %s", ErrSignature, c.Origin)
	}
	return c, nil
}

// Unverified returns the checkpoint of a signed note whose signatures nobody looks at: good for one's own notes only.
func Unverified(signed []byte) (Checkpoint, error) {
	text, _, _ := bytes.Cut(signed, []byte("\n\n"))
	return ParseCheckpoint(string(text) + "\n")
}

// signatureMark begins each line of signatures.
const signatureMark = "— "

// SplitNotes cuts a file of signed notes into notes, each good for Open. What stands behind the last whole note is the rest:
// a note that was being written when the power went.
func SplitNotes(file []byte) (notes [][]byte, rest []byte) {
	start, signed := 0, false
	for at := 0; at < len(file); {
		end := bytes.IndexByte(file[at:], '\n') + 1
		if end == 0 {
			break
		}
		line := file[at : at+end]
		switch {
		case bytes.HasPrefix(line, []byte(signatureMark)):
			signed = true
		case signed:
			notes, start, signed = append(notes, file[start:at]), at, false
		}
		if start == at && len(line) == 1 { // empty lines between notes
			start += end
		}
		at += end
		if at == len(file) && signed {
			return append(notes, file[start:]), nil
		}
	}
	return notes, file[start:]
}
