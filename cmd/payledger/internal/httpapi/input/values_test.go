package input_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/domain/money"
)

func body(t require.TestingT, text string) *input.Values {
	v, err := input.ParseBody([]byte(text))
	require.NoError(t, err)
	return v
}

func currency(t require.TestingT, code string) money.Currency {
	cur, err := money.ParseCurrency(code)
	require.NoError(t, err)
	return cur
}

const uuidText = "01937b2a-0000-7000-8000-0000000000AB"

func TestFaultsNameFieldAndRule(t *testing.T) {
	t.Parallel()
	usd, jpy := currency(t, "USD"), currency(t, "JPY")
	long := strings.Repeat("ü", 256)
	cases := []struct {
		name, body, want string
		read             func(*input.Values)
	}{
		{"missing", `{}`, "errMsg_aisRequired", func(v *input.Values) { v.Require("a"); v.ID("a") }},
		{"empty counts as missing", `{"a":""}`, "errMsg_aisRequired", func(v *input.Values) { v.Require("a"); v.ID("a") }},
		{"null counts as missing", `{"a":null}`, "errMsg_aisRequired", func(v *input.Values) { v.Require("a"); v.ID("a") }},
		{"unknown", `{"b":1}`, "errMsg_bisNotAKnownField", func(v *input.Values) { v.ID("a") }},
		{"unknown though null", `{"b":null}`, "errMsg_bisNotAKnownField", func(v *input.Values) { v.ID("a") }},
		{"id: word", `{"a":"x"}`, "errMsg_aisNotAValidID", func(v *input.Values) { v.ID("a") }},
		{"id: number", `{"a":1}`, "errMsg_aisNotAValidID", func(v *input.Values) { v.ID("a") }},
		{"id: 32 digits", `{"a":"01937b2a000070008000000000000000"}`, "errMsg_aisNotAValidID", func(v *input.Values) { v.ID("a") }},
		{"id: no hex", `{"a":"01937b2a00007000800000zz"}`, "errMsg_aisNotAValidID", func(v *input.Values) { v.ID("a") }},
		{"id: hyphens elsewhere", `{"a":"01937b2a-0000-7000-80000-000000000ab"}`, "errMsg_aisNotAValidID", func(v *input.Values) { v.ID("a") }},
		{"string: too long", `{"a":"` + long + `"}`, "errMsg_aisNotAValidString", func(v *input.Values) { v.String("a") }},
		{"string: object", `{"a":{}}`, "errMsg_aisNotAValidString", func(v *input.Values) { v.String("a") }},
		{"text: too long", `{"a":"` + strings.Repeat("x", 4001) + `"}`, "errMsg_aisNotAValidText", func(v *input.Values) { v.Text("a") }},
		{"date: word", `{"a":"tomorrow"}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"date: no zone", `{"a":"2026-01-01T00:00:00"}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"date: no such day", `{"a":"2026-02-30"}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"date: offset of a day", `{"a":"2026-01-01T00:00:00+24:00"}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"date: offset of 60 minutes", `{"a":"2026-01-01T00:00:00-05:60"}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"date: hour of one digit", `{"a":"2026-01-01T9:00:00Z"}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"date: comma", `{"a":"2026-01-01T09:00:00,5Z"}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"date: too early", `{"a":"1899-12-31T23:59:59Z"}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"date: too early in UTC", `{"a":"1900-01-01T00:00:00+01:00"}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"date: too late", `{"a":"2201-01-01T00:00:00Z"}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"date: 300,000 years", `{"a":"300000-01-01T00:00:00Z"}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"date: number", `{"a":1767225600000}`, "errMsg_aisNotAValidDate", func(v *input.Values) { v.Date("a") }},
		{"currency: unknown", `{"a":"XYZ"}`, "errMsg_aisNotAValidCurrency", func(v *input.Values) { v.Currency("a", usd) }},
		{"currency: small", `{"a":"usd"}`, "errMsg_aisNotAValidCurrency", func(v *input.Values) { v.Currency("a", usd) }},
		{"amount: three decimals", `{"a":1.001}`, "errMsg_aisNotAValidAmount", func(v *input.Values) { v.Amount("a", usd) }},
		{"amount: decimals of yen", `{"a":1.5}`, "errMsg_aisNotAValidAmount", func(v *input.Values) { v.Amount("a", jpy) }},
		{"amount: zero", `{"a":0}`, "errMsg_aisNotAValidAmount", func(v *input.Values) { v.Amount("a", usd) }},
		{"amount: negative", `{"a":"-1"}`, "errMsg_aisNotAValidAmount", func(v *input.Values) { v.Amount("a", usd) }},
		{"amount: exponent", `{"a":1e2}`, "errMsg_aisNotAValidAmount", func(v *input.Values) { v.Amount("a", usd) }},
		{"amount: too large", `{"a":10000000000000.00}`, "errMsg_aisNotAValidAmount", func(v *input.Values) { v.Amount("a", usd) }},
		{"amount: very large", `{"a":1` + strings.Repeat("0", 400) + `}`, "errMsg_aisNotAValidAmount", func(v *input.Values) { v.Amount("a", usd) }},
		{"amount: bool", `{"a":true}`, "errMsg_aisNotAValidAmount", func(v *input.Values) { v.Amount("a", usd) }},
		{"enum: word", `{"a":"zero"}`, "errMsg_aisNotAValidEnum", func(v *input.Values) { v.Enum("a", []string{"x", "y"}) }},
		{"enum: number", `{"a":2}`, "errMsg_aisNotAValidEnum", func(v *input.Values) { v.Enum("a", []string{"x", "y"}) }},
		{"enum: fraction", `{"a":1.0}`, "errMsg_aisNotAValidEnum", func(v *input.Values) { v.Enum("a", []string{"x", "y"}) }},
		{"enum: array", `{"a":["x"]}`, "errMsg_aisNotAValidEnum", func(v *input.Values) { v.Enum("a", []string{"x", "y"}) }},
		{"choice", `{"a":"stripe"}`, "errMsg_aisNotAValidEnum", func(v *input.Values) { v.Choice("a", "cash") }},
		{"integer: word", `{"a":"one"}`, "errMsg_aisNotAValidInteger", func(v *input.Values) { v.Int("a", 0, 9, 1) }},
		{"integer: out of range", `{"a":10}`, "errMsg_aisNotAValidInteger", func(v *input.Values) { v.Int("a", 0, 9, 1) }},
		{"array: object", `{"a":{}}`, "errMsg_aisNotAValidArray", func(v *input.Values) { v.Objects("a", 9, func(*input.Values) {}) }},
		{"array: too long", `{"a":[{},{}]}`, "errMsg_aisNotAValidArray", func(v *input.Values) { v.Objects("a", 1, func(*input.Values) {}) }},
		{"array: element", `{"a":[1]}`, "errMsg_a[0]isNotAValidObject", func(v *input.Values) { v.Objects("a", 9, func(*input.Values) {}) }},
		{"array: unknown field", `{"a":[{},{"b":1}]}`, "errMsg_a[1].bisNotAKnownField", func(v *input.Values) { v.Objects("a", 9, func(*input.Values) {}) }},
		{"array: field", `{"a":[{"b":1}]}`, "errMsg_a[0].bisNotAValidID", func(v *input.Values) { v.Objects("a", 9, func(e *input.Values) { e.ID("b") }) }},
		{"first fault counts", `{"a":1,"b":1}`, "errMsg_aisNotAValidID", func(v *input.Values) { v.ID("a"); v.ID("b") }},
	}
	for _, c := range cases {
		v := body(t, c.body)
		c.read(v)
		var bad *input.Error
		require.ErrorAs(t, v.Err(), &bad, c.name)
		require.Equal(t, c.want, bad.Message(), c.name)
	}
}

func TestValuesAreRead(t *testing.T) {
	t.Parallel()
	usd := currency(t, "USD")
	v := body(t, `{"id":"`+uuidText+`","hex":"01937B2A0000700080000000","s":"`+strings.Repeat("ü", 255)+`","d":"2026-01-31T12:00:00.1239+02:00",
		"day":"2200-12-31","cur":"JPY","n":19.99,"t":"0.5","whole":7,"e1":"paid","e2":1,"e3":"1","i":"7","list":[{"x":"a"},{"x":"b"}],"none":null,"empty":""}`)
	require.Equal(t, strings.ToLower(uuidText), v.ID("id"))
	require.Equal(t, "01937b2a0000700080000000", v.ID("hex"))
	require.Len(t, v.String("s"), 510)
	require.Equal(t, time.Date(2026, 1, 31, 10, 0, 0, 123_000_000, time.UTC), v.Date("d"))
	require.Equal(t, time.Date(2200, 12, 31, 0, 0, 0, 0, time.UTC), v.Date("day"))
	require.Equal(t, "JPY", v.Currency("cur", usd).Code())
	require.Equal(t, int64(1999), v.Amount("n", usd).Minor())
	require.Equal(t, int64(50), v.Amount("t", usd).Minor())
	require.Equal(t, int64(700), v.Amount("whole", usd).Minor())
	for _, name := range []string{"e1", "e2", "e3"} {
		n, given := v.Enum(name, []string{"unpaid", "paid"})
		require.True(t, given)
		require.Equal(t, 1, n)
	}
	require.Equal(t, 7, v.Int("i", 0, 9, 1))
	var xs []string
	v.Objects("list", 2, func(e *input.Values) { xs = append(xs, e.Choice("x", "a", "b")) })
	require.Equal(t, []string{"a", "b"}, xs)

	// Absent values, whatever the type.
	for _, name := range []string{"none", "empty", "missing"} {
		require.False(t, v.Has(name))
		require.Empty(t, v.ID(name)+v.String(name)+v.Text(name)+v.Choice(name, "a"))
		require.True(t, v.Date(name).IsZero())
		require.Equal(t, usd, v.Currency(name, usd))
		require.Equal(t, money.Amount{}, v.Amount(name, usd))
		_, given := v.Enum(name, []string{"unpaid"})
		require.False(t, given)
		require.Equal(t, 3, v.Int(name, 0, 9, 3))
		v.Objects(name, 1, func(*input.Values) { t.Error("no element is there") })
	}
	require.NoError(t, v.Err())
}

func TestParseQuery(t *testing.T) {
	t.Parallel()
	v, err := input.ParseQuery("b=2&a=%C3%BC+x&&empty=")
	require.NoError(t, err)
	require.Equal(t, "ü x", v.String("a"))
	require.Equal(t, 2, v.Int("b", 0, 9, 1))
	require.Empty(t, v.String("empty"))
	require.NoError(t, v.Err())
	require.Equal(t, "a=%C3%BC+x&b=2&empty=", v.Canonical())
	require.Equal(t, "b=2", v.Canonical("a", "empty"))

	for raw, want := range map[string]string{
		"a=1&a=2": "errMsg_aisGivenTwice", "a=%00": "errMsg_aisNotAValidString", "a=%ff": "errMsg_aisNotAValidString",
		"a=%zz": "errMsg_aisNotAValidString", "%ff=1": "errMsg_queryisNotAValidString",
		strings.Repeat("a", 2) + "=" + strings.Repeat("&k", 1): "",
	} {
		_, err := input.ParseQuery(raw)
		if want == "" {
			require.NoError(t, err, raw)
			continue
		}
		var bad *input.Error
		require.ErrorAs(t, err, &bad, raw)
		require.Equal(t, want, bad.Message(), raw)
	}
	for raw, want := range map[string]string{
		"a=%ff": "errMsg_aisNotAValidString: UTF-8 without U+0000, percent-encoded",
		"%ff=1": "errMsg_queryisNotAValidString: names in UTF-8 without U+0000, percent-encoded",
	} {
		_, err := input.ParseQuery(raw)
		require.EqualError(t, err, want, raw)
	}
	var many strings.Builder
	for i := range 65 {
		many.WriteString("&" + strings.Repeat("k", i+1) + "=1")
	}
	_, err = input.ParseQuery(many.String())
	require.EqualError(t, err, "errMsg_queryisNotAValidString: at most 64 parameters")
}

// A name that the caller made up is repeated in the message, but not at any length.
func TestUnknownNamesAreClipped(t *testing.T) {
	t.Parallel()
	err := body(t, `{"`+strings.Repeat("ü", 1000)+`":1}`).Err()
	var bad *input.Error
	require.ErrorAs(t, err, &bad)
	require.Equal(t, strings.Repeat("ü", 64), bad.Param)
}

// Money is read from its text: every amount comes out as it went in, as a number and as a string.
func TestAmountsAreExact(t *testing.T) {
	t.Parallel()
	all := money.Currencies()
	rapid.Check(t, func(t *rapid.T) {
		cur := rapid.SampledFrom(all).Draw(t, "currency")
		want := money.New(rapid.Int64Range(1, money.MaxMinor).Draw(t, "minor"), cur)
		v := body(t, `{"n":`+want.Number()+`,"s":"`+want.Decimal()+`"}`)
		require.Equal(t, want, v.Amount("n", cur))
		require.Equal(t, want, v.Amount("s", cur))
		require.NoError(t, v.Err())
	})
}

// A bare date is a whole day of the zone, also where the clocks change; an instant stays what it is.
func TestDaysOfAZone(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	require.NoError(t, err)
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	require.NoError(t, err)
	santiago, err := time.LoadLocation("America/Santiago") // whose 6th of September has no midnight
	require.NoError(t, err)
	for _, test := range []struct {
		zone               *time.Location
		date, since, until string
	}{
		{nil, "2026-01-31", "2026-01-31T00:00:00Z", "2026-01-31T23:59:59.999999Z"},
		{vienna, "2026-01-31", "2026-01-30T23:00:00Z", "2026-01-31T22:59:59.999999Z"},
		{vienna, "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999999Z"},
		{vienna, "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999999Z"},
		{santiago, "2026-09-05", "2026-09-05T04:00:00Z", "2026-09-06T03:59:59.999999Z"},
		{santiago, "2026-09-06", "2026-09-06T04:00:00Z", "2026-09-07T02:59:59.999999Z"},
		{tokyo, "1900-01-01", "1900-01-01T00:00:00Z", "1900-01-01T14:59:59.999999Z"},
		{vienna, "2026-01-31T23:30:00Z", "2026-01-31T23:30:00Z", "2026-01-31T23:30:00Z"},
	} {
		v, err := input.ParseQuery("from=" + test.date + "&asOf=" + test.date)
		require.NoError(t, err)
		v.In(test.zone)
		require.Equal(t, test.since, v.Date("from").Format(time.RFC3339Nano), test.date)
		require.Equal(t, test.until, v.Until("asOf").Format(time.RFC3339Nano), test.date)
		require.NoError(t, v.Err())
		require.Zero(t, v.Until("absent"))
	}
	v := body(t, `{"list":[{"day":"2026-01-31"}]}`)
	v.In(vienna)
	v.Objects("list", 1, func(e *input.Values) { require.Equal(t, "2026-01-30T23:00:00Z", e.Date("day").Format(time.RFC3339)) })
	require.NoError(t, v.Err())
}
