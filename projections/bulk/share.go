package bulk

// Share is one of several equal parts of all keys, by their hash.
type Share struct {
	Number, Of int
}

// Holds reports whether a key of a tenant is in the share.
func (s Share) Holds(tenant, key string) bool { return shareOf(tenant, key, s.Of) == s.Number }

// shareOf is FNV-1a: a build that goes on in another process must find the same shares.
func shareOf(tenant, key string, of int) int {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(tenant) {
		h = (h ^ uint64(tenant[i])) * prime
	}
	h *= prime
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * prime
	}
	return int((h >> 32) % uint64(of)) //nolint:gosec // of is positive and small
}
