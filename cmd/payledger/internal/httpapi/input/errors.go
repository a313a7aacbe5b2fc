package input

// Rule is what a parameter broke, in the words of the documented messages.
type Rule string

// The rules. A message is errMsg_, the parameter's name and the rule.
const (
	Required      Rule = "isRequired"
	ValidID       Rule = "isNotAValidID"
	ValidString   Rule = "isNotAValidString"
	ValidText     Rule = "isNotAValidText"
	ValidDate     Rule = "isNotAValidDate"
	ValidEnum     Rule = "isNotAValidEnum"
	ValidAmount   Rule = "isNotAValidAmount"
	ValidCurrency Rule = "isNotAValidCurrency"
	ValidInteger  Rule = "isNotAValidInteger"
	ValidBool     Rule = "isNotAValidBoolean"
	ValidCursor   Rule = "isNotAValidCursor"
	ValidArray    Rule = "isNotAValidArray"
	ValidObject   Rule = "isNotAValidObject"
	ValidJSON     Rule = "isNotValidJSON"
	Known         Rule = "isNotAKnownField"
	Once          Rule = "isGivenTwice"
	WithinLog     Rule = "isBeyondTheLog"
)

// Error says which parameter broke which rule. It never repeats the value.
type Error struct {
	Param  string // name of the field or parameter, with its path inside arrays: allocations[0].feeId
	Rule   Rule
	Detail string // what the rule asks for, in words; may be empty
}

// Message returns the documented form: errMsg_userIdisNotAValidID.
func (e *Error) Message() string { return "errMsg_" + e.Param + string(e.Rule) }

func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Message()
	}
	return e.Message() + ": " + e.Detail
}
