package input

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects of a body may be nested.
const MaxDepth = 16

// maxMembers bounds the members of one object; no object that we know has nearly as many.
const maxMembers = 64

// bodyName stands for the parameter's name in errors about the body as a whole.
const bodyName = "body"

// ParseBody reads a body that must be one JSON object, more strictly than encoding/json: no key twice, no bytes that aren't
// UTF-8, no U+0000, no half of a surrogate pair, MaxDepth levels. Errors are *Error; of a key twice and of characters that no text may have it
// names the field.
func ParseBody(body []byte) (*Values, error) {
	if !utf8.Valid(body) {
		return nil, malformed("UTF-8")
	}
	s := scanner{data: body}
	v, err := s.object("")
	if fault := fieldFault(err); fault != nil {
		fault.Param = strings.TrimPrefix(fault.Param, ".")
	}
	if err != nil {
		return nil, err
	}
	if s.space(); s.pos < len(s.data) {
		return nil, s.fail("one value only")
	}
	return v, nil
}

// fieldFault returns the fault of a field, not of the body as a whole. Whoever reads what is around the field puts its place before Param.
func fieldFault(err error) *Error {
	if fault, ok := errors.AsType[*Error](err); ok && fault.Rule != ValidJSON {
		return fault
	}
	return nil
}

func malformed(detail string) *Error {
	return &Error{Param: bodyName, Rule: ValidJSON, Detail: detail}
}

// kind is what a value was written as.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

// scanner walks over JSON once. Its methods leave pos behind what they read.
type scanner struct {
	data  []byte
	pos   int
	depth int
}

func (s *scanner) fail(detail string) *Error {
	return malformed(detail + " at byte " + strconv.Itoa(s.pos))
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) bool {
	if s.space(); s.peek() != c {
		return false
	}
	s.pos++
	return true
}

func (s *scanner) enter() *Error {
	if s.depth++; s.depth > MaxDepth {
		return s.fail("at most " + strconv.Itoa(MaxDepth) + " levels")
	}
	return nil
}

// object reads an object; path is the prefix of its members' names in errors.
func (s *scanner) object(path string) (*Values, error) {
	if !s.take('{') {
		return nil, s.fail("an object is wanted")
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	v := &Values{path: path, list: make([]value, 0, 8)}
	for first := true; !s.take('}'); first = false {
		if !first && !s.take(',') {
			return nil, s.fail("a comma or the end of the object is wanted")
		}
		m, err := s.member()
		if err != nil {
			return nil, err
		}
		if v.find(m.name) != nil {
			return nil, &Error{Param: "." + clip(m.name), Rule: Once}
		}
		if v.list = append(v.list, m); len(v.list) > maxMembers {
			return nil, s.fail("at most " + strconv.Itoa(maxMembers) + " members")
		}
	}
	s.depth--
	return v, nil
}

func (s *scanner) member() (value, error) {
	s.space()
	name, err := s.text()
	if fault := fieldFault(err); fault != nil {
		return value{}, s.fail("a name with " + fault.Detail)
	}
	if err != nil {
		return value{}, err
	}
	if !s.take(':') {
		return value{}, s.fail("a colon is wanted")
	}
	m, err := s.value()
	m.name = name
	if fault := fieldFault(err); fault != nil {
		fault.Param = "." + clip(name) + fault.Param
	}
	if err != nil {
		return m, err
	}
	return m, nil
}

// value reads any value. Numbers keep their literal; arrays and objects are checked for syntax and kept as they are.
func (s *scanner) value() (value, error) {
	s.space()
	start := s.pos
	switch c := s.peek(); {
	case c == '"':
		text, err := s.text()
		if err != nil {
			return value{}, err
		}
		return value{kind: kindString, text: text}, nil
	case c == '{' || c == '[':
		k, err := s.skipNested()
		if err != nil {
			return value{}, err
		}
		return value{kind: k, raw: s.data[start:s.pos]}, nil
	case c == '-' || isDigit(c):
		if !s.number() {
			return value{}, s.fail("a number is wanted")
		}
		return value{kind: kindNumber, text: string(s.data[start:s.pos])}, nil
	case s.word("null"):
		return value{kind: kindNull}, nil
	case s.word("true"), s.word("false"):
		return value{kind: kindBool, text: string(s.data[start:s.pos])}, nil
	}
	return value{}, s.fail("a value is wanted")
}

// skipNested walks over an array or an object that nobody asked for yet.
func (s *scanner) skipNested() (kind, error) {
	if s.peek() == '{' {
		_, err := s.object("")
		return kindObject, err
	}
	return kindArray, s.array(func(value) {})
}

func (s *scanner) array(each func(value)) error {
	s.take('[')
	if err := s.enter(); err != nil {
		return err
	}
	for n := 0; !s.take(']'); n++ {
		if n > 0 && !s.take(',') {
			return s.fail("a comma or the end of the array is wanted")
		}
		v, err := s.value()
		if fault := fieldFault(err); fault != nil {
			fault.Param = "[" + strconv.Itoa(n) + "]" + fault.Param
		}
		if err != nil {
			return err
		}
		each(v)
	}
	s.depth--
	return nil
}

func (s *scanner) word(w string) bool {
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		return false
	}
	s.pos += len(w)
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (s *scanner) digits() bool {
	start := s.pos
	for isDigit(s.peek()) {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return false
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return false
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		return s.digits()
	}
	return true
}

// text reads a string. Most have no escapes and are taken as they stand.
func (s *scanner) text() (string, error) {
	if s.peek() != '"' {
		return "", s.fail("a string is wanted")
	}
	s.pos++
	for start := s.pos; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return string(s.data[start : s.pos-1]), nil
		case c == '\\':
			return s.escaped(append(make([]byte, 0, 2*(s.pos-start)+32), s.data[start:s.pos]...))
		case c < ' ':
			return "", s.fail("no control character in a string")
		}
	}
	return "", s.fail("the end of the string is wanted")
}

func (s *scanner) escaped(b []byte) (string, error) {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch {
		case c == '"':
			s.pos++
			return string(b), nil
		case c < ' ':
			return "", s.fail("no control character in a string")
		case c != '\\':
			b = append(b, c)
			s.pos++
			continue
		}
		s.pos++
		r, err := s.escape()
		if err != nil {
			return "", err
		}
		b = utf8.AppendRune(b, r)
	}
	return "", s.fail("the end of the string is wanted")
}

// escape reads what follows a backslash.
func (s *scanner) escape() (rune, error) {
	c := s.peek()
	s.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		return s.unicode()
	}
	return 0, s.fail("an escape of JSON is wanted")
}

func (s *scanner) unicode() (rune, error) {
	r, ok := s.hex4()
	switch {
	case !ok:
		return 0, s.fail("four hexadecimal digits are wanted")
	case r == 0:
		return 0, &Error{Rule: ValidString, Detail: "no U+0000"}
	case !utf16.IsSurrogate(r):
		return r, nil
	}
	if s.word(`\u`) {
		if low, ok := s.hex4(); ok {
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				return r, nil
			}
		}
	}
	return 0, &Error{Rule: ValidString, Detail: "no half of a surrogate pair"}
}

func (s *scanner) hex4() (rune, bool) {
	if len(s.data)-s.pos < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s.data[s.pos:s.pos+4]), 16, 16)
	s.pos += 4
	return rune(n), err == nil
}

// Element is one object of an array, as it was sent.
type Element struct {
	ID   string // what its key id says: 1 to MaxString characters
	Text string
}

// MaxElements is how many elements an array of ParseElements may have.
const MaxElements = 500

// ParseElements reads a body that must be one JSON array of objects, each with an id of its own, as strictly as ParseBody. Errors are *Error.
func ParseElements(body []byte) ([]Element, error) {
	if !utf8.Valid(body) {
		return nil, malformed("UTF-8")
	}
	s := scanner{data: body}
	if s.space(); s.peek() != '[' {
		return nil, s.fail("an array is wanted")
	}
	var list []Element
	var fault *Error
	err := s.array(func(v value) {
		place := "[" + strconv.Itoa(len(list)) + "]"
		list = append(list, Element{})
		if fault == nil {
			fault = readElement(v, place, &list[len(list)-1])
		}
	})
	switch s.space(); {
	case fieldFault(err) != nil:
		fieldFault(err).Param = bodyName + fieldFault(err).Param
		return nil, err
	case err != nil:
		return nil, err
	case s.pos < len(s.data):
		return nil, s.fail("one value only")
	case fault != nil:
		return nil, fault
	case len(list) > MaxElements:
		return nil, &Error{Param: bodyName, Rule: ValidArray, Detail: "at most " + strconv.Itoa(MaxElements) + " elements"}
	}
	return list, nil
}

func readElement(v value, place string, e *Element) *Error {
	if v.kind != kindObject {
		return &Error{Param: bodyName + place, Rule: ValidObject, Detail: "an object is wanted"}
	}
	inner := scanner{data: v.raw}
	object, _ := inner.object(bodyName + place + ".") // its syntax was checked when the array was read
	object.Require("id")
	*e = Element{ID: object.String("id"), Text: string(v.raw)}
	return object.err
}
