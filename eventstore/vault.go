package eventstore

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Errors of the vault.
var (
	// ErrMasterKey: a person's key can't be unwrapped: VAULT_KEY is another one than when it was made, or the row was changed.
	ErrMasterKey = errors.New("key can't be unwrapped with this VAULT_KEY")
	// ErrBadVaultKey: VAULT_KEY isn't 32 bytes in base64.
	ErrBadVaultKey = errors.New("VAULT_KEY must be 32 bytes in base64")
)

const (
	// maxCachedKeys bounds the unwrapped keys in memory.
	maxCachedKeys = 10_000
	// KeyFreshness is for how long after an erasure a vault may still know the person's key.
	KeyFreshness = time.Second
)

// ParseVaultKey reads the master key: 32 bytes in standard or URL base64, padded or not. ErrBadVaultKey never repeats the text.
func ParseVaultKey(text string) ([32]byte, error) {
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(text)), "=")
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(b) != 32 {
		return [32]byte{}, ErrBadVaultKey
	}
	return [32]byte(b), nil
}

// Vault keeps the keys that seal personal texts: one living key for a person, random, wrapped by the master key. It is
// the Keys of a Store and safe for concurrent use. What it remembers is at most KeyFreshness behind the erasures, which is why the
// writer checks under the head lock that the keys of a commit live.
type Vault struct {
	pool   *pgxpool.Pool
	master [32]byte

	mu     sync.Mutex
	keys   map[uuid.UUID]Key
	living map[Person]uuid.UUID // into keys
	// checked is when the head was last asked for the last erasure, which is erased; drops counts how often everything was forgotten.
	checked time.Time
	erased  int64
	drops   int64

	asking sync.Mutex // held by the one who asks the head
}

var (
	_ Keys      = (*Vault)(nil)
	_ refresher = (*Vault)(nil)
)

// refresher is what Keys are that remember.
type refresher interface {
	Refresh(ctx context.Context) error
}

// RefreshKeys makes keys forget those that were destroyed before the call. Keys that remember nothing need it not.
func RefreshKeys(ctx context.Context, keys Keys) error {
	if r, ok := keys.(refresher); ok {
		return r.Refresh(ctx)
	}
	return nil
}

// Forgotten returns how often keys have forgotten everything because somebody was erased: what was opened before may be gone. It is at most
// KeyFreshness behind. Keys that remember nothing forget nothing.
func Forgotten(ctx context.Context, keys Keys) (int64, error) {
	if v, ok := keys.(*Vault); ok {
		return v.fresh(ctx)
	}
	return 0, nil
}

// OpenVault returns a vault over pool (the app's role, to make keys; others can only read them), which stays the caller's to close.
func OpenVault(pool *pgxpool.Pool, masterKey [32]byte) *Vault {
	return &Vault{pool: pool, master: masterKey, keys: make(map[uuid.UUID]Key), living: make(map[Person]uuid.UUID)}
}

// Ensure returns the living key of a person (subject), and makes one if there is none: at the person's first sealed text,
// and at the first one after an erasure.
func (v *Vault) Ensure(ctx context.Context, tenant, subject string) (Key, error) {
	who := Person{tenant, subject}
	drops, err := v.fresh(ctx)
	if err != nil {
		return Key{}, err
	}
	if key, ok := v.cachedLiving(who); ok {
		return key, nil
	}
	key, err := v.findLiving(ctx, who)
	if errors.Is(err, pgx.ErrNoRows) {
		if err = v.insert(ctx, who); err == nil {
			// Whoever was first, the unique index let one key in: read that.
			key, err = v.findLiving(ctx, who)
		}
	}
	if err != nil {
		return Key{}, fmt.Errorf("ensure the key of a person of tenant %s: %w", tenant, err)
	}
	v.remember(key, who, drops)
	return key, nil
}

const sqlKey = `SELECT tenant, subject, wrapped FROM vault.keys WHERE id = $1`

// Key returns a key by its id: ErrKeyDestroyed for a tombstone, ErrKeyUnknown if there isn't even that.
func (v *Vault) Key(ctx context.Context, id uuid.UUID) (Key, error) {
	drops, err := v.fresh(ctx)
	if err != nil {
		return Key{}, err
	}
	v.mu.Lock()
	key, ok := v.keys[id]
	v.mu.Unlock()
	if ok {
		return key, nil
	}
	var who Person
	var wrapped []byte
	err = v.pool.QueryRow(ctx, sqlKey, id).Scan(&who.Tenant, &who.Subject, &wrapped)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Key{}, fmt.Errorf("key %s: %w", id, ErrKeyUnknown)
	case err != nil:
		return Key{}, fmt.Errorf("read key %s: %w", id, err)
	case wrapped == nil:
		return Key{}, fmt.Errorf("key %s: %w", id, ErrKeyDestroyed)
	}
	if key, err = v.unwrap(id, who, wrapped); err != nil {
		return Key{}, err
	}
	v.remember(key, who, drops)
	return key, nil
}

const sqlErased = `SELECT erased FROM ledger.head`

// fresh makes sure that what is remembered isn't older than KeyFreshness, and returns the number of times that all was forgotten.
func (v *Vault) fresh(ctx context.Context) (drops int64, err error) {
	recent := func() (int64, bool) {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.drops, clock().Sub(v.checked) < KeyFreshness
	}
	if drops, ok := recent(); ok {
		return drops, nil
	}
	v.asking.Lock()
	defer v.asking.Unlock()
	drops, ok := recent()
	if !ok {
		if err := v.refresh(ctx); err != nil {
			return 0, err
		}
		drops, _ = recent()
	}
	return drops, nil
}

// Refresh forgets everything if somebody was erased since the vault last looked.
func (v *Vault) Refresh(ctx context.Context) error {
	v.asking.Lock()
	defer v.asking.Unlock()
	return v.refresh(ctx)
}

func (v *Vault) refresh(ctx context.Context) error {
	began, erased := clock(), int64(0)
	if err := v.pool.QueryRow(ctx, sqlErased).Scan(&erased); err != nil {
		return fmt.Errorf("ask for erasures: %w", headError(err))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if erased != v.erased {
		clear(v.keys)
		clear(v.living)
		v.drops++
	}
	v.checked, v.erased = began, erased
	return nil
}

const sqlAnyKey = `SELECT id FROM vault.keys WHERE destroyed_at IS NULL ORDER BY id LIMIT 1`

// Check opens one key, if there is any: ErrMasterKey says that this vault's keys were wrapped by another VAULT_KEY. A process
// that begins with the wrong one would make keys that nobody else can open.
func (v *Vault) Check(ctx context.Context) error {
	var id uuid.UUID
	err := v.pool.QueryRow(ctx, sqlAnyKey).Scan(&id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("check the vault: %w", err)
	}
	_, err = v.Key(ctx, id)
	return err
}

// Forget drops a key from memory. Call it when a commit was refused with ErrKeyDestroyed: the next Ensure makes a new key.
func (v *Vault) Forget(id uuid.UUID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.keys, id)
}

func (v *Vault) cachedLiving(who Person) (Key, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	key, ok := v.keys[v.living[who]]
	return key, ok
}

// remember keeps a key, unless all was forgotten since the caller began to look for it. A full cache starts again from nothing: simpler than an order of use, and rare.
func (v *Vault) remember(key Key, who Person, drops int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if drops != v.drops {
		return
	}
	if len(v.keys) >= maxCachedKeys || len(v.living) >= maxCachedKeys {
		clear(v.keys)
		clear(v.living)
	}
	v.keys[key.ID] = key
	v.living[who] = key.ID
}

const sqlLivingKey = `SELECT id, wrapped FROM vault.keys WHERE tenant = $1 AND subject = $2 AND destroyed_at IS NULL`

// findLiving returns pgx.ErrNoRows if the person has no living key.
func (v *Vault) findLiving(ctx context.Context, who Person) (Key, error) {
	var id uuid.UUID
	var wrapped []byte
	if err := v.pool.QueryRow(ctx, sqlLivingKey, who.Tenant, who.Subject).Scan(&id, &wrapped); err != nil {
		return Key{}, err
	}
	return v.unwrap(id, who, wrapped)
}

const sqlInsertKey = `INSERT INTO vault.keys (id, tenant, subject, wrapped) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, subject) WHERE destroyed_at IS NULL DO NOTHING`

// insert stores a new key unless the person has one by now.
func (v *Vault) insert(ctx context.Context, who Person) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a key id: %w", err)
	}
	key := Key{ID: id}
	_, _ = rand.Read(key.Secret[:]) // never fails: the program ends if the system has no randomness
	return pgx.BeginFunc(ctx, v.pool, func(tx pgx.Tx) error {
		// No wait for the disk: WAL is flushed in order, so the durable commit of the first event that needs this key
		// flushes the key before it. A key that a crash takes away was never used.
		if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = off"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlInsertKey, id, who.Tenant, who.Subject, v.wrap(key, who))
		return err
	})
}

// wrap encrypts a key by the master key, bound to whose it is: rows can't be swapped.
func (v *Vault) wrap(key Key, who Person) []byte {
	return newAEAD(v.master).Seal(nil, nil, key.Secret[:], wrapBinding(key.ID, who)) //nolint:gosec // as in Seal
}

func (v *Vault) unwrap(id uuid.UUID, who Person, wrapped []byte) (Key, error) {
	secret, err := newAEAD(v.master).Open(nil, nil, wrapped, wrapBinding(id, who))
	if err != nil || len(secret) != 32 {
		return Key{}, fmt.Errorf("key %s: %w", id, ErrMasterKey)
	}
	return Key{ID: id, Secret: [32]byte(secret)}, nil
}

func wrapBinding(id uuid.UUID, who Person) []byte {
	out := appendField(nil, "payledger wrapped key v1")
	out = appendField(out, who.Tenant)
	out = appendField(out, who.Subject)
	return appendField(out, id[:])
}
