package policy

// Event is a fact about the rules of a tenant.
//
//sumtype:decl
type Event interface{ isPolicyEvent() }

// ReasonsSet (policy.reasons_set) says which reason codes the tenant has for one
// kind of command from now on.
type ReasonsSet struct {
	Kind  Kind     `json:"kind"`
	Codes []string `json:"codes"`
}

func (ReasonsSet) isPolicyEvent() {}
