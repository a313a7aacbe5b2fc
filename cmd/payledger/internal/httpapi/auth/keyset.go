package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// KeySource returns the keys that may have signed a token with that key id.
type KeySource interface {
	// Keys returns all candidates for a key id, which may be empty. Errors wrap ErrKeysUnavailable.
	Keys(ctx context.Context, id string) ([]Key, error)
}

// StaticKeys is a fixed set of keys, as a key file holds them.
type StaticKeys []Key

// Keys returns the keys with that id, and those without any.
func (s StaticKeys) Keys(_ context.Context, id string) ([]Key, error) {
	var found []Key
	for _, k := range s {
		if k.ID == "" || id == "" || k.ID == id {
			found = append(found, k)
		}
	}
	return found, nil
}

// How the issuer is asked for its keys: not more often than refetchAfter however many tokens with made-up key ids arrive, and
// again after maxKeyAge so that a withdrawn key is noticed.
const (
	refetchAfter = 5 * time.Second
	maxKeyAge    = 10 * time.Minute
	fetchTimeout = 5 * time.Second
	maxKeySet    = 1 << 20
)

// RemoteKeys are the keys that an issuer publishes, fetched when they are first needed and when a token names an unknown one.
type RemoteKeys struct {
	client  *http.Client
	now     func() time.Time
	jwksURL string

	fetching sync.Mutex // callers that need new keys wait for one fetch, the others don't wait
	tried    time.Time
	problem  error // of the last try

	mu      sync.Mutex
	keys    StaticKeys
	fetched time.Time // of the last success
}

// Discover asks an OpenID issuer where its keys are (RFC 8414, OpenID discovery). now is the clock.
func Discover(ctx context.Context, client *http.Client, issuer string, now func() time.Time) (*RemoteKeys, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	body, err := get(ctx, client, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, fmt.Errorf("discover issuer %s: %w", issuer, err)
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("discover issuer %s: %w", issuer, errors.Join(ErrKeysUnavailable, err))
	}
	if doc.Issuer != issuer || doc.JWKSURI == "" {
		return nil, fmt.Errorf("discover issuer %s: %w: it calls itself %q", issuer, ErrKeysUnavailable, doc.Issuer)
	}
	return &RemoteKeys{client: client, now: now, jwksURL: doc.JWKSURI}, nil
}

// Keys returns the issuer's keys with that id, asking the issuer when there is none or when they are old. While the issuer
// doesn't answer, keys that were fetched before stay good.
func (r *RemoteKeys) Keys(ctx context.Context, id string) ([]Key, error) {
	if found, fresh := r.known(ctx, id); fresh {
		return found, nil
	}
	r.fetching.Lock()
	defer r.fetching.Unlock()
	found, fresh := r.known(ctx, id)
	if now := r.now(); !fresh && now.Sub(r.tried) >= refetchAfter {
		r.tried = now
		r.problem = r.fetch(ctx, now)
		found, _ = r.known(ctx, id)
	}
	if len(found) == 0 && r.problem != nil {
		return nil, r.problem
	}
	return found, nil
}

// known returns the keys with an id that were fetched before; fresh tells whether there are any and they are not too old.
func (r *RemoteKeys) known(ctx context.Context, id string) (found []Key, fresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, _ = r.keys.Keys(ctx, id) // a fixed set never fails
	return found, len(found) > 0 && r.now().Sub(r.fetched) < maxKeyAge
}

func (r *RemoteKeys) fetch(ctx context.Context, now time.Time) error {
	// One caller that goes away must not spoil the fetch for those who wait behind it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	body, err := get(ctx, r.client, r.jwksURL)
	if err != nil {
		return err
	}
	keys, err := ParseKeys(body)
	if err != nil {
		return errors.Join(ErrKeysUnavailable, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys, r.fetched = keys, now
	return nil
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: %s answers %s", ErrKeysUnavailable, url, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, err)
	}
	return body, nil
}
