// Package input reads what callers send: JSON bodies and query strings, strictly. A value is asked for by name and type; the
// first fault is kept and names the field and the rule. Empty strings and null count as absent.
package input

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"payledger/domain/money"
)

// Limits of texts, in characters.
const (
	MaxString = 255
	MaxText   = 4000

	maxLong = 2000
)

// Values are the named values of one object or one query. Ask for each value that is known, then for Err.
type Values struct {
	path string
	list []value
	err  *Error
	zone *time.Location // nil: UTC
}

type value struct {
	name string
	kind kind
	text string // a string's text, a number's literal
	raw  []byte // of an array or object
	used bool
}

// ParseQuery reads a query string. Every parameter counts as a string. Errors are *Error.
func ParseQuery(raw string) (*Values, error) {
	v := &Values{}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		key, val, _ := strings.Cut(pair, "=")
		name, err := unescape(key)
		if err != nil {
			return nil, &Error{Param: "query", Rule: ValidString, Detail: "names in UTF-8 without U+0000, percent-encoded"}
		}
		text, err := unescape(val)
		if err != nil {
			return nil, &Error{Param: clip(name), Rule: ValidString, Detail: "UTF-8 without U+0000, percent-encoded"}
		}
		if v.find(name) != nil {
			return nil, &Error{Param: clip(name), Rule: Once}
		}
		if v.list = append(v.list, value{name: name, kind: kindString, text: text}); len(v.list) > maxMembers {
			return nil, &Error{Param: "query", Rule: ValidString, Detail: "at most " + strconv.Itoa(maxMembers) + " parameters"}
		}
	}
	return v, nil
}

func unescape(s string) (string, error) {
	text, err := url.QueryUnescape(s)
	if err == nil && (!utf8.ValidString(text) || strings.Contains(text, "\x00")) {
		err = url.EscapeError(s)
	}
	return text, err
}

func (v *Values) find(name string) *value {
	for i := range v.list {
		if v.list[i].name == name {
			return &v.list[i]
		}
	}
	return nil
}

// get returns the value of that name and marks it as known; nil when it is absent, null or empty.
func (v *Values) get(name string) *value {
	val := v.find(name)
	if val == nil {
		return nil
	}
	val.used = true
	if val.kind == kindNull || val.kind == kindString && val.text == "" {
		return nil
	}
	return val
}

// Has tells whether a value of that name is there and not empty. It doesn't count as asking for it.
func (v *Values) Has(name string) bool {
	val := v.find(name)
	return val != nil && val.kind != kindNull && (val.kind != kindString || val.text != "")
}

// Require makes the named values required. Ask before reading them, so that a missing one is told first.
func (v *Values) Require(names ...string) {
	for _, name := range names {
		if !v.Has(name) {
			v.Fail(name, Required, "")
		}
	}
}

// Fail notes a fault of a value, unless there is one already.
func (v *Values) Fail(name string, rule Rule, detail string) {
	if v.err == nil {
		v.err = &Error{Param: v.path + name, Rule: rule, Detail: detail}
	}
}

// Ignore takes the named values as known and looks at none of them.
func (v *Values) Ignore(names ...string) {
	for _, name := range names {
		v.get(name)
	}
}

// Err returns the first fault as an *Error: what the getters found, else a value that nobody asked for.
func (v *Values) Err() error {
	if v.err != nil {
		return v.err
	}
	for i := range v.list {
		if !v.list[i].used {
			return &Error{Param: v.path + clip(v.list[i].name), Rule: Known}
		}
	}
	return nil
}

// clip keeps names that a caller made up short in messages.
func clip(name string) string {
	if utf8.RuneCountInString(name) <= 64 {
		return name
	}
	return string([]rune(name)[:64])
}

func (v *Values) string(name string, rule Rule, limit int) string {
	val := v.get(name)
	switch {
	case val == nil:
		return ""
	case val.kind != kindString:
		v.Fail(name, rule, "a string is wanted")
		return ""
	case len(val.text) > limit && utf8.RuneCountInString(val.text) > limit:
		v.Fail(name, rule, "at most "+strconv.Itoa(limit)+" characters")
		return ""
	}
	return val.text
}

// String returns a short text, empty when absent.
func (v *Values) String(name string) string { return v.string(name, ValidString, MaxString) }

// Text returns a long text, empty when absent.
func (v *Values) Text(name string) string { return v.string(name, ValidText, MaxText) }

// Long returns text made by us and sent back, such as a cursor.
func (v *Values) Long(name string) string { return v.string(name, ValidString, maxLong) }

// ID returns an id in lower case, empty when absent.
func (v *Values) ID(name string) string {
	text := v.string(name, ValidID, 64)
	if text == "" {
		return ""
	}
	id, ok := ParseID(text)
	if !ok {
		v.Fail(name, ValidID, "a UUID or 24 hexadecimal digits")
	}
	return id
}

// ParseID returns an id in lower case. Ids are UUIDs with hyphens, or 24 hexadecimal digits.
func ParseID(text string) (string, bool) {
	if len(text) != 36 && len(text) != 24 {
		return "", false
	}
	for i := range len(text) {
		c := text[i]
		if len(text) == 36 && (i == 8 || i == 13 || i == 18 || i == 23) {
			if c != '-' {
				return "", false
			}
			continue
		}
		if !isDigit(c) && (c|0x20 < 'a' || 'f' < c|0x20) {
			return "", false
		}
	}
	return strings.ToLower(text), true
}

// The years that dates may have.
const (
	firstYear = 1900
	lastYear  = 2200
)

// lax tells of a time that Go reads whether it is none of RFC 3339: an hour of one digit, a comma before the fraction, an offset of a day or more.
func lax(text string) bool {
	if text[len("2026-01-31T12")] != ':' || strings.Contains(text, ",") {
		return true
	}
	offset := text[len(text)-len("23:59"):]
	return !strings.HasSuffix(text, "Z") && (offset[:2] > "23" || offset[3:] > "59")
}

// instant returns an instant in UTC, cut to milliseconds; zero when absent. A date without a time is its midnight in UTC.
func (v *Values) instant(name string) time.Time {
	text := v.string(name, ValidDate, 64)
	if text == "" {
		return time.Time{}
	}
	var at time.Time
	if len(text) == len(time.DateOnly) {
		text += "T00:00:00Z"
	}
	if err := at.UnmarshalText([]byte(text)); err != nil || lax(text) {
		v.Fail(name, ValidDate, "RFC 3339, such as 2026-01-31T12:00:00.000Z")
		return time.Time{}
	}
	at = at.UTC().Truncate(time.Millisecond)
	if at.Year() < firstYear || at.Year() > lastYear {
		v.Fail(name, ValidDate, "from 1900-01-01 to 2200-12-31")
		return time.Time{}
	}
	return at
}

// In makes bare dates days of a zone. Without it they are days in UTC.
func (v *Values) In(zone *time.Location) { v.zone = zone }

// Date returns an instant in UTC, cut to milliseconds: of a bare date the beginning of that day in the zone. Zero when absent.
func (v *Values) Date(name string) time.Time { return v.day(name, 0, 0) }

// Until returns an instant in UTC: of a bare date the end of that day in the zone. Zero when absent.
func (v *Values) Until(name string) time.Time {
	return v.day(name, 1, -time.Microsecond) // the log counts in microseconds
}

func (v *Values) day(name string, days int, and time.Duration) time.Time {
	at := v.instant(name)
	if val := v.find(name); val == nil || at.IsZero() || len(val.text) != len(time.DateOnly) {
		return at
	}
	zone := v.zone
	if zone == nil {
		zone = time.UTC
	}
	at = BeginningOfDay(at.AddDate(0, 0, days), zone).Add(and)
	if at.Year() < firstYear { // east of Greenwich the first day begins before it does in UTC
		return time.Date(firstYear, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	return at
}

// Position returns a position of the log, 0 when absent.
func (v *Values) Position(name string) int64 {
	val := v.get(name)
	if val == nil {
		return 0
	}
	n, err := strconv.ParseInt(val.text, 10, 64)
	if err != nil || n < 0 {
		v.Fail(name, ValidInteger, "a position of the log")
		return 0
	}
	return n
}

// Currency returns a currency, or the one given when absent.
func (v *Values) Currency(name string, absent money.Currency) money.Currency {
	text := v.string(name, ValidCurrency, MaxString)
	if text == "" {
		return absent
	}
	cur, err := money.ParseCurrency(text)
	if err != nil {
		v.Fail(name, ValidCurrency, "an ISO 4217 code, such as USD")
	}
	return cur
}

// Amount returns a positive amount from the literal of a number or from a decimal string; the zero value when absent.
func (v *Values) Amount(name string, cur money.Currency) money.Amount {
	val := v.get(name)
	if val == nil || cur == (money.Currency{}) { // an unknown currency is the fault that was noted
		return money.Amount{}
	}
	if val.kind != kindNumber && val.kind != kindString {
		v.Fail(name, ValidAmount, "a number or a decimal string is wanted")
		return money.Amount{}
	}
	a, err := money.Parse(val.text, cur)
	switch {
	case err != nil:
		v.Fail(name, ValidAmount, "a plain decimal with at most "+strconv.Itoa(cur.Exponent())+" decimals for "+cur.Code()+
			", at most "+money.New(money.MaxMinor, cur).Decimal())
	case !a.IsPositive():
		v.Fail(name, ValidAmount, "more than zero")
	default:
		return a
	}
	return money.Amount{}
}

// Enum returns the number of an enum's value, which may be sent as name, number or number in a string; false when absent.
// names are the enum's names in order of their numbers.
func (v *Values) Enum(name string, names []string) (int, bool) {
	val := v.get(name)
	if val == nil {
		return 0, false
	}
	for i, n := range names {
		if val.kind == kindString && val.text == n || val.text == strconv.Itoa(i) && (val.kind == kindNumber || val.kind == kindString) {
			return i, true
		}
	}
	v.Fail(name, ValidEnum, "one of "+strings.Join(names, ", "))
	return 0, false
}

// Int returns a whole number between low and high, or the one given when absent.
func (v *Values) Int(name string, low, high, absent int) int {
	val := v.get(name)
	if val == nil {
		return absent
	}
	n, err := strconv.Atoi(val.text)
	if err != nil || n < low || n > high || val.kind != kindNumber && val.kind != kindString {
		v.Fail(name, ValidInteger, "a whole number from "+strconv.Itoa(low)+" to "+strconv.Itoa(high))
		return absent
	}
	return n
}

// Objects calls each for the objects of an array, at most limit of them; it calls nothing when absent. A fault inside one
// becomes the fault of these values.
func (v *Values) Objects(name string, limit int, each func(*Values)) {
	val := v.get(name)
	if val == nil {
		return
	}
	if val.kind != kindArray {
		v.Fail(name, ValidArray, "an array of objects is wanted")
		return
	}
	s, n := scanner{data: val.raw}, 0
	_ = s.array(func(element value) { // its syntax was checked when the body was read
		v.element(name+"["+strconv.Itoa(n)+"]", element, each)
		n++
	})
	if n > limit {
		v.Fail(name, ValidArray, "at most "+strconv.Itoa(limit)+" elements")
	}
}

func (v *Values) element(name string, element value, each func(*Values)) {
	if v.err != nil {
		return
	}
	if element.kind != kindObject {
		v.Fail(name, ValidObject, "an object is wanted")
		return
	}
	s := scanner{data: element.raw}
	inner, err := s.object(v.path + name + ".")
	if err == nil {
		inner.In(v.zone)
		each(inner)
		err = inner.Err()
	}
	if fault, ok := errors.AsType[*Error](err); ok {
		v.err = fault
	}
}

// Object calls each for an object; it calls nothing when absent. A fault inside becomes the fault of these values.
func (v *Values) Object(name string, each func(*Values)) {
	if val := v.get(name); val != nil {
		v.element(name, *val, each)
	}
}

// Strings returns the short texts of an array of at most limit; none may be empty.
func (v *Values) Strings(name string, limit int) []string {
	val := v.get(name)
	if val == nil {
		return nil
	}
	if val.kind != kindArray {
		v.Fail(name, ValidArray, "an array of texts is wanted")
		return nil
	}
	var list []string
	s := scanner{data: val.raw}
	_ = s.array(func(element value) { // its syntax was checked when the body was read
		place := name + "[" + strconv.Itoa(len(list)) + "]"
		if element.kind != kindString || element.text == "" || utf8.RuneCountInString(element.text) > MaxString {
			v.Fail(place, ValidString, "1 to "+strconv.Itoa(MaxString)+" characters")
		}
		list = append(list, element.text)
	})
	if len(list) > limit {
		v.Fail(name, ValidArray, "at most "+strconv.Itoa(limit)+" elements")
	}
	return list
}

// Bool returns a truth value, written as such or as a string; false when absent.
func (v *Values) Bool(name string) bool {
	val := v.get(name)
	if val == nil {
		return false
	}
	if val.kind != kindBool && val.kind != kindString || val.text != "true" && val.text != "false" {
		v.Fail(name, ValidBool, "true or false")
	}
	return val.text == "true"
}

// Choice returns one of some words, empty when absent.
func (v *Values) Choice(name string, words ...string) string {
	text := v.string(name, ValidEnum, MaxString)
	if text != "" && !slices.Contains(words, text) {
		v.Fail(name, ValidEnum, "one of "+strings.Join(words, ", "))
		return ""
	}
	return text
}

// Canonical returns the values of a query in order of their names, but for some. Equal parameters give equal text.
func (v *Values) Canonical(except ...string) string {
	if v == nil || len(v.list) == 0 {
		return ""
	}
	query := url.Values{}
	for _, val := range v.list {
		if !slices.Contains(except, val.name) {
			query.Set(val.name, val.text)
		}
	}
	return query.Encode()
}
