package auth

import "slices"

// Role is a word of a token's roles claim.
type Role string

// The roles of the contract. Words that aren't here grant nothing.
const (
	Member     Role = "member"
	Staff      Role = "staff"
	Supervisor Role = "supervisor"
	Finance    Role = "finance"
	Service    Role = "service"
	Auditor    Role = "auditor"
	Admin      Role = "admin"
)

// Permission is something that a caller may do.
type Permission string

// The permissions of the routes so far.
const (
	ReadOwn       Permission = "rows.readOwn" // the caller's own rows only
	ReadAll       Permission = "rows.readAll"
	AssessFee     Permission = "fee.assess"
	AnnotateFee   Permission = "fee.annotate"
	WaiveFee      Permission = "fee.waive"
	CancelFee     Permission = "fee.cancel"
	RecordPayment Permission = "payment.record"
	ReadHealth    Permission = "health.read"
)

// policy is the one place that says who may do what: REST, search and whatever comes later ask Identity.May. What isn't here
// is denied.
var policy = [...]struct {
	permission Permission
	roles      []Role
}{
	{ReadOwn, []Role{Member, Staff, Supervisor, Finance, Auditor, Admin}},
	{ReadAll, []Role{Staff, Supervisor, Finance, Auditor, Admin}},
	{AssessFee, []Role{Staff, Supervisor, Service, Admin}},
	{AnnotateFee, []Role{Staff, Supervisor, Admin}},
	{WaiveFee, []Role{Staff, Supervisor, Admin}},
	{CancelFee, []Role{Supervisor, Admin}},
	{RecordPayment, []Role{Staff, Supervisor, Admin}},
	{ReadHealth, []Role{Auditor, Admin}},
}

// Granted returns what the roles grant together, in the order of the policy.
func Granted(roles ...Role) []Permission {
	var granted []Permission
	for _, row := range policy {
		if slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(row.roles, r) }) {
			granted = append(granted, row.permission)
		}
	}
	return granted
}
