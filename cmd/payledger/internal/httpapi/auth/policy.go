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

// The permissions of the routes.
const (
	ReadSession          Permission = "session.read"
	ReadOwn              Permission = "rows.readOwn" // the caller's own rows only
	ReadAll              Permission = "rows.readAll"
	AssessFee            Permission = "fee.assess"
	AnnotateFee          Permission = "fee.annotate"
	WaiveFee             Permission = "fee.waive"
	AdjustFee            Permission = "fee.adjust"
	CancelFee            Permission = "fee.cancel"
	WriteOffFee          Permission = "fee.writeOff"
	ReverseReduction     Permission = "fee.reverseReduction"
	RecordPayment        Permission = "payment.record"
	VoidPayment          Permission = "payment.void"
	ReallocatePayment    Permission = "payment.reallocate"
	RecordGatewayPayment Permission = "gatewayPayment.record"
	DeleteGatewayPayment Permission = "gatewayPayment.delete"
	GrantCredit          Permission = "credit.grant"
	ApplyCredit          Permission = "credit.apply"
	Checkout             Permission = "fee.checkout"         // the caller's own fees only
	ManageMethods        Permission = "paymentMethod.manage" // the caller's own only
	SetReasons           Permission = "reasonCodes.set"
	SetBooks             Permission = "books.set"
	ExtendDocument       Permission = "document.extend"
	ReadHealth           Permission = "health.read"
	ReadAudit            Permission = "audit.read"
)

// policy is the one place that says who may do what: REST, search and whatever comes later ask Identity.May. What isn't here
// is denied.
var policy = [...]struct {
	permission Permission
	roles      []Role
}{
	{ReadSession, []Role{Member, Staff, Supervisor, Finance, Service, Auditor, Admin}},
	{ReadOwn, []Role{Member, Staff, Supervisor, Finance, Auditor, Admin}},
	{ReadAll, []Role{Staff, Supervisor, Finance, Auditor, Admin}},
	{AssessFee, []Role{Staff, Supervisor, Service, Admin}},
	{AnnotateFee, []Role{Staff, Supervisor, Admin}},
	{WaiveFee, []Role{Staff, Supervisor, Admin}},
	{AdjustFee, []Role{Supervisor, Admin}},
	{CancelFee, []Role{Supervisor, Admin}},
	{WriteOffFee, []Role{Finance, Admin}},
	{ReverseReduction, []Role{Supervisor, Admin}},
	{RecordPayment, []Role{Staff, Supervisor, Admin}},
	{VoidPayment, []Role{Supervisor, Admin}},
	{ReallocatePayment, []Role{Supervisor, Admin}},
	{RecordGatewayPayment, []Role{Staff, Supervisor, Admin}},
	{DeleteGatewayPayment, []Role{Supervisor, Admin}},
	{GrantCredit, []Role{Finance, Admin}},
	{ApplyCredit, []Role{Staff, Supervisor, Admin}},
	{Checkout, []Role{Member, Admin}},
	{ManageMethods, []Role{Member, Admin}},
	{SetReasons, []Role{Admin}},
	{SetBooks, []Role{Finance, Admin}},
	{ExtendDocument, []Role{Service, Admin}},
	{ReadHealth, []Role{Auditor, Admin}},
	{ReadAudit, []Role{Auditor, Admin}},
}

// Known tells whether there is such a permission.
func Known(p Permission) bool {
	for _, row := range policy {
		if row.permission == p {
			return true
		}
	}
	return false
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
