package money

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrMalformed reports JSON that isn't an amount as MarshalJSON writes it.
var ErrMalformed = errors.New("malformed amount")

// MarshalJSON writes the form of an amount inside events: {"minor":1250,"currency":"USD"}.
// It refuses what UnmarshalJSON would: no currency, or more than MaxMinor.
func (a Amount) MarshalJSON() ([]byte, error) {
	if a.cur == (Currency{}) {
		return nil, ErrUnknownCurrency
	}
	if !inBounds(a.minor) {
		return nil, ErrOverflow
	}
	return a.appendJSON(), nil
}

func (a Amount) appendJSON() []byte {
	b := append(make([]byte, 0, 48), `{"minor":`...)
	b = strconv.AppendInt(b, a.minor, 10)
	b = append(b, `,"currency":"`...)
	b = append(b, a.cur.Code()...)
	return append(b, `"}`...)
}

// UnmarshalJSON reads what MarshalJSON wrote, with any white space but with the same
// keys in the same order. It returns ErrMalformed, ErrUnknownCurrency or ErrOverflow.
// Events are read far more often than written, so it does without reflection.
func (a *Amount) UnmarshalJSON(data []byte) error {
	read, err := parseJSON(data)
	if err == nil && !inBounds(read.minor) {
		err = fmt.Errorf("%w: %.60q", ErrOverflow, data)
	}
	if err == nil {
		*a = read
	}
	return err
}

// parseJSON reads the form of an amount. What an int64 doesn't hold is ErrOverflow.
func parseJSON(data []byte) (Amount, error) {
	s := scanner{rest: data}
	s.expect('{')
	s.key("minor")
	minor := s.integer()
	s.expect(',')
	s.key("currency")
	code := s.text()
	s.expect('}')
	s.end()
	if s.failed {
		return Amount{}, fmt.Errorf("%w: %.60q", ErrMalformed, data)
	}
	cur, err := ParseCurrency(string(code))
	if err != nil {
		return Amount{}, err
	}
	n, err := strconv.ParseInt(string(minor), 10, 64)
	if err != nil {
		return Amount{}, fmt.Errorf("%w: %.60q", ErrOverflow, data)
	}
	return New(n, cur), nil
}

// scanner takes tokens off the front of rest, and remembers a failure.
type scanner struct {
	rest   []byte
	failed bool
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for i, c := range s.rest {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			s.rest = s.rest[i:]
			return c
		}
	}
	s.rest = nil
	return 0
}

func (s *scanner) expect(c byte) {
	if s.peek() != c {
		s.failed = true
		return
	}
	s.rest = s.rest[1:]
}

func (s *scanner) end() {
	if s.peek(); len(s.rest) > 0 {
		s.failed = true
	}
}

func (s *scanner) key(name string) {
	if string(s.text()) != name {
		s.failed = true
	}
	s.expect(':')
}

// text takes a string without escapes, which no code or key needs.
func (s *scanner) text() []byte {
	s.expect('"')
	for i, c := range s.rest {
		if c == '"' {
			text := s.rest[:i]
			s.rest = s.rest[i+1:]
			return text
		}
	}
	s.failed = true
	return nil
}

// integer takes the literal of a whole JSON number.
func (s *scanner) integer() []byte {
	s.peek()
	n := 0
	if n < len(s.rest) && s.rest[n] == '-' {
		n++
	}
	first := n
	for n < len(s.rest) && '0' <= s.rest[n] && s.rest[n] <= '9' {
		n++
	}
	literal, digits := s.rest[:n], s.rest[first:n]
	s.failed = s.failed || len(digits) == 0 || (len(digits) > 1 && digits[0] == '0')
	s.rest = s.rest[n:]
	return literal
}
