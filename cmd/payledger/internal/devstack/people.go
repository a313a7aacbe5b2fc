package devstack

import "github.com/google/uuid"

// Tenant is the tenant of the development tokens.
const Tenant = "demo"

// Person is a bearer of one of the development tokens.
type Person struct {
	Name string // key in the ready line of `payledger dev`
	Role string
	ID   string // UUID, the same on every machine
}

// People returns the bearers of the development tokens, one for each role and a second member.
func People() []Person {
	people := []Person{
		{Name: "member", Role: "member"},
		{Name: "otherMember", Role: "member"},
		{Name: "staff", Role: "staff"},
		{Name: "supervisor", Role: "supervisor"},
		{Name: "finance", Role: "finance"},
		{Name: "auditor", Role: "auditor"},
		{Name: "admin", Role: "admin"},
		{Name: "service", Role: "service"},
	}
	for i := range people {
		people[i].ID = uuid.NewSHA1(uuid.NameSpaceOID, []byte("payledger dev "+people[i].Name)).String()
	}
	return people
}
