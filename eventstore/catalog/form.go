package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"payledger/domain/extension"
	"payledger/domain/money"
	"payledger/internal/jsontext"
)

// form is how values of one Go type stand in stored JSON. It is worked out once per type: encoding/json took 3 to 4 times as
// long to write and read an event, and it lets pass what a ledger must not: missing, doubled and differently spelled keys.
type form struct {
	write func(dst []byte, v reflect.Value) ([]byte, error)
	read  func(s *scanner, v reflect.Value)
}

// errNotText never repeats the text: it may be one that is to be sealed.
var (
	errNotText = errors.New("text is not UTF-8")
	errYear    = errors.New("year has no RFC 3339 form")
	// errNotObject is about a value that another service sent: the edge lets only JSON objects pass.
	errNotObject = errors.New("not a JSON object")
)

var (
	amountType  = reflect.TypeFor[money.Amount]()
	totalType   = reflect.TypeFor[money.Total]()
	instantType = reflect.TypeFor[time.Time]()
	valueType   = reflect.TypeFor[extension.Value]()
)

// formOf returns the form of a type, or an error for a type that events may not have.
func formOf(t reflect.Type) (form, error) {
	switch t {
	case amountType:
		return form{writeAmount, readAmount}, nil
	case totalType:
		return form{writeTotal, readTotal}, nil
	case instantType:
		return form{writeInstant, readInstant}, nil
	case valueType:
		return form{writeValue, readValue}, nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return form{writeFlag, readFlag}, nil
	case reflect.Int:
		return form{writeNumber, readNumber}, nil
	case reflect.String:
		return form{writeText, readText}, nil
	case reflect.Slice:
		return listOf(t)
	case reflect.Struct:
		return objectOf(t)
	default:
		return form{}, fmt.Errorf("type %s has no stored form", t)
	}
}

func writeText(dst []byte, v reflect.Value) ([]byte, error) {
	if s := v.String(); utf8.ValidString(s) {
		return jsontext.AppendString(dst, s), nil
	}
	return nil, errNotText
}

func readText(s *scanner, v reflect.Value) { v.SetString(s.text()) }

func writeAmount(dst []byte, v reflect.Value) ([]byte, error) {
	b, err := v.Addr().Interface().(*money.Amount).MarshalJSON()
	return append(dst, b...), err
}

func readAmount(s *scanner, v reflect.Value) {
	if err := v.Addr().Interface().(*money.Amount).UnmarshalJSON(s.flatObject()); err != nil {
		s.fail(err)
	}
}

func writeTotal(dst []byte, v reflect.Value) ([]byte, error) {
	b, err := v.Addr().Interface().(*money.Total).MarshalJSON()
	return append(dst, b...), err
}

func readTotal(s *scanner, v reflect.Value) {
	if err := v.Addr().Interface().(*money.Total).UnmarshalJSON(s.flatObject()); err != nil {
		s.fail(err)
	}
}

func writeInstant(dst []byte, v reflect.Value) ([]byte, error) {
	t := v.Addr().Interface().(*time.Time).UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return nil, errYear
	}
	dst = t.AppendFormat(append(dst, '"'), time.RFC3339Nano)
	return append(dst, '"'), nil
}

func readInstant(s *scanner, v reflect.Value) {
	t, err := parseInstant(s.text())
	if err != nil {
		s.fail(err)
	}
	*v.Addr().Interface().(*time.Time) = t
}

func writeFlag(dst []byte, v reflect.Value) ([]byte, error) {
	return strconv.AppendBool(dst, v.Bool()), nil
}

func readFlag(s *scanner, v reflect.Value) {
	v.SetBool(s.skip("true"))
	if !v.Bool() {
		s.expect("false")
	}
}

func writeNumber(dst []byte, v reflect.Value) ([]byte, error) {
	return strconv.AppendInt(dst, v.Int(), 10), nil
}

func readNumber(s *scanner, v reflect.Value) { v.SetInt(s.number()) }

// writeValue writes the JSON of another service as it came.
func writeValue(dst []byte, v reflect.Value) ([]byte, error) {
	text := v.String()
	if !utf8.ValidString(text) {
		return nil, errNotText
	}
	if !json.Valid([]byte(text)) || text[0] != '{' {
		return nil, errNotObject
	}
	return append(dst, text...), nil
}

func readValue(s *scanner, v reflect.Value) { v.SetString(s.object()) }

// listOf is the form of a slice. A nil slice is written as the empty one that it is read back as.
func listOf(t reflect.Type) (form, error) {
	elem, err := formOf(t.Elem())
	if err != nil {
		return form{}, err
	}
	write := func(dst []byte, v reflect.Value) ([]byte, error) {
		dst = append(dst, '[')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = elem.write(dst, v.Index(i)); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	}
	read := func(s *scanner, v reflect.Value) {
		v.Set(reflect.MakeSlice(t, 0, 0))
		s.expect("[")
		for more := !s.skip("]"); more && s.err == nil; more = s.more("]") {
			v.Grow(1)
			v.SetLen(v.Len() + 1)
			elem.read(s, v.Index(v.Len()-1))
		}
	}
	return form{write, read}, nil
}

// objectOf is the form of a struct: all its keys, in the order of its fields.
func objectOf(t reflect.Type) (form, error) {
	fields, err := fieldsOf(t)
	if err != nil {
		return form{}, err
	}
	write := func(dst []byte, v reflect.Value) ([]byte, error) {
		for i := range fields {
			var err error
			if dst, err = fields[i].write(append(dst, fields[i].lead...), v.Field(i)); err != nil {
				return nil, fmt.Errorf("field %s: %w", fields[i].name, err)
			}
		}
		return append(dst, '}'), nil
	}
	read := func(s *scanner, v reflect.Value) {
		for i := range fields {
			s.expect(fields[i].lead)
			fields[i].read(s, v.Field(i))
		}
		s.expect("}")
	}
	return form{write, read}, nil
}

// field is a field of a struct with what stands before its value: {"key": or ,"key":
type field struct {
	form
	name string
	lead string
}

func fieldsOf(t reflect.Type) ([]field, error) {
	if t.NumField() == 0 {
		return nil, fmt.Errorf("type %s has no fields", t)
	}
	fields := make([]field, t.NumField())
	for i := range fields {
		f := t.Field(i)
		name := f.Tag.Get("json")
		if !f.IsExported() || !isKey(name) {
			return nil, fmt.Errorf("field %s of %s needs a plain json key", f.Name, t)
		}
		fm, err := formOf(f.Type)
		if err != nil {
			return nil, fmt.Errorf("field %s of %s: %w", f.Name, t, err)
		}
		fields[i] = field{form: fm, name: name, lead: `,"` + name + `":`}
	}
	fields[0].lead = "{" + fields[0].lead[1:]
	return fields, nil
}

// isKey refuses options such as omitempty with the rest: what is hashed has all its keys.
func isKey(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
