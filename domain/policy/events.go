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

// ProfileSet (policy.books_profile_set) says how the tenant's books are read from this
// position of the log on. Both readings tell of the whole log, so nothing is posted anew.
type ProfileSet struct {
	Profile Profile `json:"profile"`
}

func (ReasonsSet) isPolicyEvent() {}
func (ProfileSet) isPolicyEvent() {}
