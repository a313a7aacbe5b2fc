package input

import (
	"payledger/domain/money"
)

// Kind is what the values of a field look like.
type Kind string

// The kinds of fields. Each has its rule among the constants of Rule.
const (
	KindID       Kind = "id"
	KindString   Kind = "string" // at most MaxString characters
	KindText     Kind = "text"   // at most MaxText characters
	KindWord     Kind = "word"   // an id or word of someone else's making, such as a cursor
	KindDate     Kind = "date"   // one without a time stands for the beginning of its day in a zone
	KindUntil    Kind = "until"  // one without a time stands for the end of its day in a zone
	KindAmount   Kind = "amount"
	KindCurrency Kind = "currency"
	KindEnum     Kind = "enum"   // name, number, or number in a string
	KindChoice   Kind = "choice" // one of some words
	KindInt      Kind = "int"
	KindPosition Kind = "position" // of the log
	KindBool     Kind = "bool"
	KindObject   Kind = "object"
	KindObjects  Kind = "objects" // an array of objects
	KindStrings  Kind = "strings" // an array of short texts
)

// Field is a named value that a route takes. One list of them reads requests, makes the published contract and the tests of
// bad input.
type Field struct {
	Name      string
	Kind      Kind
	Required  bool
	Words     []string // of enums, in order of their numbers, and of choices
	Low, High int      // of whole numbers; High is the most elements of an array
	Of        []Field  // of objects
	Default   string   // of a currency
	Doc       string   // what the contract says of it; may be empty
}

// Must returns the field as a required one.
func (f Field) Must() Field { f.Required = true; return f }

// Says returns the field with its documentation.
func (f Field) Says(doc string) Field { f.Doc = doc; return f }

// ID is a field of an id: a UUID or 24 hexadecimal digits.
func ID(name string) Field { return Field{Name: name, Kind: KindID} }

// String is a field of a short text.
func String(name string) Field { return Field{Name: name, Kind: KindString} }

// Text is a field of a long text.
func Text(name string) Field { return Field{Name: name, Kind: KindText} }

// Word is a field of text that others made and that means nothing to us.
func Word(name string) Field { return Field{Name: name, Kind: KindWord} }

// Date is a field of an instant, or of a day from its beginning.
func Date(name string) Field { return Field{Name: name, Kind: KindDate} }

// Until is a field of an instant, or of a day up to its end.
func Until(name string) Field { return Field{Name: name, Kind: KindUntil} }

// Amount is a field of a positive amount, in the currency of the field currency.
func Amount(name string) Field { return Field{Name: name, Kind: KindAmount} }

// Currency is a field of an ISO 4217 code. Amounts beside it, and in objects inside, are in this currency; absent is the code of
// a currency, or empty if another place says which one it is.
func Currency(name, absent string) Field {
	return Field{Name: name, Kind: KindCurrency, Default: absent}
}

// Enum is a field of a value with a name and a number.
func Enum(name string, names []string) Field { return Field{Name: name, Kind: KindEnum, Words: names} }

// Choice is a field of one of some words.
func Choice(name string, words ...string) Field {
	return Field{Name: name, Kind: KindChoice, Words: words}
}

// Int is a field of a whole number.
func Int(name string, low, high int) Field {
	return Field{Name: name, Kind: KindInt, Low: low, High: high}
}

// Position is a field of a position of the log.
func Position(name string) Field { return Field{Name: name, Kind: KindPosition} }

// Bool is a field of true or false.
func Bool(name string) Field { return Field{Name: name, Kind: KindBool} }

// Object is a field of an object.
func Object(name string, fields ...Field) Field {
	return Field{Name: name, Kind: KindObject, Of: fields}
}

// Objects is a field of an array of at most limit objects.
func Objects(name string, limit int, fields ...Field) Field {
	return Field{Name: name, Kind: KindObjects, High: limit, Of: fields}
}

// Strings is a field of an array of at most limit short texts.
func Strings(name string, limit int) Field {
	return Field{Name: name, Kind: KindStrings, High: limit}
}

// Take reads all fields, notes the first fault, and refuses what is none of them. Afterwards each getter of a field's kind gives
// its value. Amounts whose currency stands elsewhere are to be read again with it.
func (v *Values) Take(fields ...Field) error {
	v.take(fields, widest())
	return v.Err()
}

func (v *Values) take(fields []Field, cur money.Currency) {
	for _, f := range fields {
		if f.Required {
			v.Require(f.Name)
		}
	}
	for _, f := range fields {
		if f.Kind == KindCurrency {
			if absent, err := money.ParseCurrency(f.Default); err == nil {
				cur = absent
			}
			cur = v.Currency(f.Name, cur)
		}
	}
	for _, f := range fields {
		v.read(f, cur)
	}
}

// read notes the fault of a field, if it has one.
func (v *Values) read(f Field, cur money.Currency) {
	switch f.Kind {
	case KindID:
		v.ID(f.Name)
	case KindString:
		v.String(f.Name)
	case KindText:
		v.Text(f.Name)
	case KindWord:
		v.Long(f.Name)
	case KindDate, KindUntil:
		v.Date(f.Name)
	case KindAmount:
		v.Amount(f.Name, cur)
	case KindCurrency: // it was read before the amounts
	case KindEnum:
		v.Enum(f.Name, f.Words)
	case KindChoice:
		v.Choice(f.Name, f.Words...)
	case KindInt:
		v.Int(f.Name, f.Low, f.High, f.Low)
	case KindPosition:
		v.Position(f.Name)
	case KindBool:
		v.Bool(f.Name)
	case KindObject:
		v.Object(f.Name, func(inner *Values) { inner.take(f.Of, cur) })
	case KindObjects:
		v.Objects(f.Name, f.High, func(inner *Values) { inner.take(f.Of, cur) })
	case KindStrings:
		v.Strings(f.Name, f.High)
	}
}

// widest is a currency with as many decimals as any.
func widest() money.Currency {
	cur, _ := money.ParseCurrency("BHD") // it is in the table
	return cur
}
