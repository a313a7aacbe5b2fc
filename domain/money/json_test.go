package money_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/domain/money"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(money.New(1250, currency(t, "USD")))
	require.NoError(t, err)
	require.Equal(t, []byte(`{"minor":1250,"currency":"USD"}`), data) //nolint:testifylint // byte for byte: events are hashed

	var got struct {
		Amount money.Amount `json:"amount"`
	}
	spaced := " { \"amount\" :\t{ \"minor\" : -5 ,\r\n \"currency\" : \"JPY\" } } "
	require.NoError(t, json.Unmarshal([]byte(spaced), &got))
	require.Equal(t, money.New(-5, currency(t, "JPY")), got.Amount)
}

func TestMarshalRefusesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, err := json.Marshal(money.Amount{})
	require.ErrorIs(t, err, money.ErrUnknownCurrency)
	_, err = json.Marshal(money.New(money.MaxMinor+1, currency(t, "USD")))
	require.ErrorIs(t, err, money.ErrOverflow)
}

func TestUnmarshalRefuses(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]error{
		``:                                        money.ErrMalformed,
		`null`:                                    money.ErrMalformed,
		`12`:                                      money.ErrMalformed,
		`{}`:                                      money.ErrMalformed,
		`{"minor":1}`:                             money.ErrMalformed,
		`{"minor":"1","currency":"USD"}`:          money.ErrMalformed,
		`{"minor":1.0,"currency":"USD"}`:          money.ErrMalformed,
		`{"minor":1e2,"currency":"USD"}`:          money.ErrMalformed,
		`{"minor":01,"currency":"USD"}`:           money.ErrMalformed,
		`{"minor":-,"currency":"USD"}`:            money.ErrMalformed,
		`{"minor":,"currency":"USD"}`:             money.ErrMalformed,
		`{"minor":null,"currency":"USD"}`:         money.ErrMalformed,
		`{"currency":"USD","minor":1}`:            money.ErrMalformed,
		`{"minor":1,"currency":"USD","tax":0}`:    money.ErrMalformed,
		`{"minor":1,"minor":2,"currency":"USD"}`:  money.ErrMalformed,
		`{"minor":1,"currency":"USD"`:             money.ErrMalformed,
		`{"minor":1,"currency":"USD`:              money.ErrMalformed,
		`{"minor":1,"currency":"USD"}x`:           money.ErrMalformed,
		`{"minor":1,"currency":null}`:             money.ErrMalformed,
		`{"minor":1,"currency":"usd"}`:            money.ErrUnknownCurrency,
		`{"minor":1,"currency":"\u0055SD"}`:       money.ErrUnknownCurrency,
		`{"minor":1,"currency":""}`:               money.ErrUnknownCurrency,
		`{"minor":1000000000000000,` + inUSD:      money.ErrOverflow,
		`{"minor":-1000000000000000,` + inUSD:     money.ErrOverflow,
		`{"minor":18446744073709551617,` + inUSD:  money.ErrOverflow,
		`{"minor":-18446744073709551617,` + inUSD: money.ErrOverflow,
	} {
		before := money.New(7, currency(t, "EUR"))
		got := before
		require.ErrorIs(t, got.UnmarshalJSON([]byte(data)), want, data)
		require.Equal(t, before, got, "left alone by %s", data)
	}
}

const inUSD = `"currency":"USD"}`

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := anyAmount().Draw(t, "amount")
		data, err := json.Marshal(a)
		require.NoError(t, err)
		var got money.Amount
		require.NoError(t, json.Unmarshal(data, &got))
		require.Equal(t, a, got)
	})
}

// FuzzUnmarshalJSON compares with encoding/json: what is accepted is valid JSON of
// the same value, and prints to what is accepted again.
func FuzzUnmarshalJSON(f *testing.F) {
	f.Add([]byte(`{"minor":1250,"currency":"USD"}`))
	f.Add([]byte(" {\n\"minor\" : -5 , \"currency\" : \"JPY\" } "))
	f.Add([]byte(`{"minor":01,"currency":"USD"}`))
	f.Add([]byte(`{"minor":1,"currency":"USD"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a money.Amount
		if a.UnmarshalJSON(data) != nil {
			return
		}
		var want struct {
			Minor    int64  `json:"minor"`
			Currency string `json:"currency"`
		}
		require.NoError(t, json.Unmarshal(data, &want))
		require.Equal(t, want.Minor, a.Minor())
		require.Equal(t, want.Currency, a.Currency().Code())
		printed, err := json.Marshal(a)
		require.NoError(t, err)
		var again money.Amount
		require.NoError(t, again.UnmarshalJSON(printed))
		require.Equal(t, a, again)
	})
}
