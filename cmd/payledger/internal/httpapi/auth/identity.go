// Package auth says who calls and what that caller may do: it verifies JWTs against pinned algorithms, issuer, audience and
// keys, and holds the one policy table.
package auth

import (
	"errors"
	"slices"
	"time"
)

// Errors of this package. Callers compare with errors.Is.
var (
	// ErrNoToken: the request carries no token.
	ErrNoToken = errors.New("no access token")
	// ErrBadToken: the token is malformed, expired, not ours, or signed by nobody we know.
	ErrBadToken = errors.New("access token is not valid")
	// ErrKeysUnavailable: the issuer's keys can't be fetched now, so nobody can say whether the token is valid.
	ErrKeysUnavailable = errors.New("the issuer's keys can't be fetched")
	// ErrTenant: the token isn't for the tenant that was asked for, or leaves open which one is meant.
	ErrTenant = errors.New("tenant not found")
	// ErrForbidden: the caller's roles don't permit this.
	ErrForbidden = errors.New("not permitted for the caller's roles")
)

// Identity is a verified caller. It is shared by requests: never change one.
type Identity struct {
	Subject   string
	SessionID string // empty for none
	Tenants   []string
	Roles     []Role // as in the token, for the record
	Expires   time.Time

	permissions []Permission
}

// Permissions returns what the caller's roles grant, in a fixed order.
func (i *Identity) Permissions() []Permission { return i.permissions }

// May tells whether the caller has a permission.
func (i *Identity) May(p Permission) bool { return slices.Contains(i.permissions, p) }

// MayAny tells whether the caller has at least one of some permissions; none of none.
func (i *Identity) MayAny(ps ...Permission) bool { return slices.ContainsFunc(ps, i.May) }

// Is tells whether the token names a role.
func (i *Identity) Is(r Role) bool { return slices.Contains(i.Roles, r) }

// Kind returns the kind of actor that events name: service, staff (anybody who works for the library) or member.
func (i *Identity) Kind() string {
	switch {
	case i.Is(Service):
		return "service"
	case i.May(ReadAll):
		return "staff"
	default:
		return "member"
	}
}

// Tenant returns the tenant that a request works in: the one asked for, or the token's only one. Else ErrTenant.
func (i *Identity) Tenant(asked string) (string, error) {
	switch {
	case asked != "" && slices.Contains(i.Tenants, asked):
		return asked, nil
	case asked == "" && len(i.Tenants) == 1:
		return i.Tenants[0], nil
	}
	return "", ErrTenant
}
