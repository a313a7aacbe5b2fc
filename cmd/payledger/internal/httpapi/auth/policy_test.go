package auth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi/auth"
)

// The table of the contract, row by row, written down a second time and the other way round.
func TestRolesMay(t *testing.T) {
	t.Parallel()
	staff := []auth.Permission{
		auth.ReadSession, auth.ReadOwn, auth.ReadAll, auth.AssessFee, auth.AnnotateFee, auth.WaiveFee, auth.RecordPayment, auth.RecordGatewayPayment, auth.ApplyCredit,
	}
	rows := map[auth.Role][]auth.Permission{
		auth.Member: {auth.ReadSession, auth.ReadOwn, auth.Checkout, auth.ManageMethods},
		auth.Staff:  staff,
		auth.Supervisor: append([]auth.Permission{
			auth.AdjustFee, auth.CancelFee, auth.ReverseReduction, auth.VoidPayment, auth.ReallocatePayment, auth.DeleteGatewayPayment,
		}, staff...),
		auth.Finance: {auth.ReadSession, auth.ReadOwn, auth.ReadAll, auth.WriteOffFee, auth.GrantCredit, auth.SetBooks},
		auth.Service: {auth.ReadSession, auth.AssessFee, auth.ExtendDocument},
		auth.Auditor: {auth.ReadSession, auth.ReadOwn, auth.ReadAll, auth.ReadHealth, auth.ReadAudit},
		auth.Admin: append([]auth.Permission{
			auth.AdjustFee, auth.CancelFee, auth.ReverseReduction, auth.VoidPayment, auth.ReallocatePayment, auth.DeleteGatewayPayment,
			auth.WriteOffFee, auth.GrantCredit, auth.Checkout, auth.ManageMethods, auth.SetReasons, auth.SetBooks, auth.ExtendDocument, auth.ReadHealth,
			auth.ReadAudit,
		}, staff...),
		"ADMIN":     nil,
		"librarian": nil,
		"":          nil,
	}
	for role, want := range rows {
		require.ElementsMatch(t, want, identity(role).Permissions(), role)
	}
	require.Empty(t, identity().Permissions(), "no role, no permission")
	require.False(t, identity(auth.Admin).MayAny(), "a route that needs nothing is open to nobody")
}

func TestRolesAddUp(t *testing.T) {
	t.Parallel()
	id := identity(auth.Member, auth.Service)
	require.Equal(t, []auth.Permission{auth.ReadSession, auth.ReadOwn, auth.AssessFee, auth.Checkout, auth.ManageMethods, auth.ExtendDocument}, id.Permissions())
	require.False(t, id.May(auth.ReadAll))
}

func TestKindOfActor(t *testing.T) {
	t.Parallel()
	kinds := map[auth.Role]string{
		auth.Member: "member", auth.Staff: "staff", auth.Supervisor: "staff", auth.Finance: "staff", auth.Admin: "staff",
		auth.Auditor: "staff", auth.Service: "service", "unknown": "member",
	}
	for role, want := range kinds {
		require.Equal(t, want, identity(role).Kind(), role)
	}
}

func TestTenantIsOneOfTheTokens(t *testing.T) {
	t.Parallel()
	one := auth.NewIdentity("u", "", []string{"a"}, nil, time.Time{})
	two := auth.NewIdentity("u", "", []string{"a", "b"}, nil, time.Time{})
	none := auth.NewIdentity("u", "", nil, nil, time.Time{})
	cases := []struct {
		id          *auth.Identity
		asked, want string
	}{
		{one, "", "a"}, {one, "a", "a"}, {one, "b", ""}, {two, "", ""}, {two, "b", "b"}, {two, "c", ""}, {none, "", ""}, {none, "a", ""},
	}
	for _, c := range cases {
		got, err := c.id.Tenant(c.asked)
		require.Equal(t, c.want, got)
		if c.want == "" {
			require.ErrorIs(t, err, auth.ErrTenant)
		}
	}
}

func identity(roles ...auth.Role) *auth.Identity {
	return auth.NewIdentity("u", "", []string{"t"}, roles, time.Time{})
}
