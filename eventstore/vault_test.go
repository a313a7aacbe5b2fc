package eventstore

import (
	"encoding/base64"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

func TestParseVaultKey(t *testing.T) {
	t.Parallel()
	want := [32]byte{0: 0xfb, 1: 0xff, 31: 9}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		got, err := ParseVaultKey(" " + enc.EncodeToString(want[:]) + "\n")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "secret", base64.StdEncoding.EncodeToString(want[:31]), base64.StdEncoding.EncodeToString(make([]byte, 33))} {
		_, err := ParseVaultKey(text)
		require.ErrorIs(t, err, ErrBadVaultKey)
		require.Equal(t, ErrBadVaultKey.Error(), err.Error(), "the text must not come back in the error")
	}
}

func setupVault(t *testing.T) (*fixture, *pgxpool.Pool, *Vault) {
	t.Helper()
	f := newFixture(t)
	pool := f.db.AppPool(t)
	return f, pool, OpenVault(pool, [32]byte{0: 1})
}

func TestEnsureMakesOneKeyForAPerson(t *testing.T) {
	t.Parallel()
	f, pool, vault := setupVault(t)
	key, err := vault.Ensure(t.Context(), "main", "ann")
	require.NoError(t, err)
	require.NotZero(t, key.ID)
	require.NotZero(t, key.Secret)
	again, err := vault.Ensure(t.Context(), "main", "ann")
	require.NoError(t, err)
	require.Equal(t, key, again)

	for _, who := range []struct{ tenant, subject string }{{"main", "bob"}, {"other", "ann"}} {
		other, err := vault.Ensure(t.Context(), who.tenant, who.subject)
		require.NoError(t, err)
		require.NotEqual(t, key.ID, other.ID)
		require.NotEqual(t, key.Secret, other.Secret)
	}

	elsewhere := OpenVault(pool, [32]byte{0: 1})
	same, err := elsewhere.Ensure(t.Context(), "main", "ann")
	require.NoError(t, err)
	require.Equal(t, key, same, "another process finds the same key")
	reading := OpenVault(f.db.ProjectorPool(t), [32]byte{0: 1})
	same, err = reading.Key(t.Context(), key.ID)
	require.NoError(t, err)
	require.Equal(t, key, same, "the projector's role can read keys")
	_, err = reading.Ensure(t.Context(), "main", "carol")
	require.ErrorContains(t, err, "permission denied", "but not make them")
}

func TestEnsureRacesEndInOneKey(t *testing.T) {
	t.Parallel()
	_, pool, _ := setupVault(t)
	const racers = 16
	var wg sync.WaitGroup
	keys, errs := make([]Key, racers), make([]error, racers)
	for i := range racers {
		wg.Go(func() { keys[i], errs[i] = OpenVault(pool, [32]byte{0: 1}).Ensure(t.Context(), "main", "ann") })
	}
	wg.Wait()
	for i := range racers {
		require.NoError(t, errs[i])
		require.Equal(t, keys[0], keys[i])
	}
}

func TestKeyTellsErasedFromMissing(t *testing.T) {
	t.Parallel()
	f, pool, vault := setupVault(t)
	key, err := vault.Ensure(t.Context(), "main", "ann")
	require.NoError(t, err)
	f.tamper(t, "UPDATE vault.keys SET wrapped = NULL, destroyed_at = now()")

	fresh := OpenVault(pool, [32]byte{0: 1})
	_, err = fresh.Key(t.Context(), key.ID)
	require.ErrorIs(t, err, ErrKeyDestroyed)
	_, err = fresh.Key(t.Context(), uuid.New())
	require.ErrorIs(t, err, ErrKeyUnknown)

	// The writer refuses what the old key sealed; then the caller forgets it and gets a new one.
	vault.Forget(key.ID)
	next, err := vault.Ensure(t.Context(), "main", "ann")
	require.NoError(t, err)
	require.NotEqual(t, key.ID, next.ID)
	_, err = vault.Key(t.Context(), key.ID)
	require.ErrorIs(t, err, ErrKeyDestroyed)
}

func TestKeysAreWorthNothingWithoutTheMasterKeyOrInAnotherRow(t *testing.T) {
	t.Parallel()
	f, pool, vault := setupVault(t)
	require.NoError(t, OpenVault(pool, [32]byte{0: 2}).Check(t.Context()), "any key will do for an empty vault")
	ann, err := vault.Ensure(t.Context(), "main", "ann")
	require.NoError(t, err)
	require.NoError(t, OpenVault(pool, [32]byte{0: 1}).Check(t.Context()))
	require.ErrorIs(t, OpenVault(pool, [32]byte{0: 2}).Check(t.Context()), ErrMasterKey)
	_, err = OpenVault(pool, [32]byte{0: 2}).Key(t.Context(), ann.ID)
	require.ErrorIs(t, err, ErrMasterKey)
	_, err = OpenVault(pool, [32]byte{0: 2}).Ensure(t.Context(), "main", "ann")
	require.ErrorIs(t, err, ErrMasterKey, "no second key is made over one that can't be read")

	bob, err := vault.Ensure(t.Context(), "main", "bob")
	require.NoError(t, err)
	f.tamper(t, "CREATE TABLE kept AS SELECT * FROM vault.keys")
	for name, change := range map[string]string{
		"swapped": `UPDATE vault.keys a SET wrapped = b.wrapped FROM vault.keys b WHERE a.id <> b.id`,
		"renamed": `UPDATE vault.keys SET subject = subject || '2'`,
		"moved":   `UPDATE vault.keys SET tenant = 'other'`,
		"cut":     `UPDATE vault.keys SET wrapped = substr(wrapped, 2)`,
	} {
		f.tamper(t, "DELETE FROM vault.keys", "INSERT INTO vault.keys SELECT * FROM kept")
		got, err := OpenVault(pool, [32]byte{0: 1}).Key(t.Context(), ann.ID)
		require.NoError(t, err)
		require.Equal(t, ann, got)
		f.tamper(t, change)
		for _, id := range []uuid.UUID{ann.ID, bob.ID} {
			_, err := OpenVault(pool, [32]byte{0: 1}).Key(t.Context(), id)
			require.ErrorIs(t, err, ErrMasterKey, name)
		}
	}
}

func TestVaultRemembersABoundedNumberOfKeys(t *testing.T) {
	t.Parallel()
	_, _, vault := setupVault(t)
	for i := range 2*maxCachedKeys + 10 {
		key := Key{ID: uuid.New()}
		vault.remember(key, Person{"main", fmt.Sprint(i)}, 0)
		require.LessOrEqual(t, len(vault.keys), maxCachedKeys)
		require.LessOrEqual(t, len(vault.living), maxCachedKeys)
		got, ok := vault.cachedLiving(Person{"main", fmt.Sprint(i)})
		require.True(t, ok)
		require.Equal(t, key, got)
	}
}
