package input_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/domain/money"
)

func fields() []input.Field {
	return []input.Field{
		input.ID("id"), input.String("reason").Must(), input.Amount("amount"), input.Currency("currency", "JPY"), input.Bool("store"),
		input.Strings("codes", 2), input.Object("card", input.ID("id").Must(), input.Amount("limit")),
		input.Objects("parts", 2, input.Amount("amount").Must()),
	}
}

func TestTake(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"reason":"r"}`: "",
		`{"reason":"r","id":"","amount":null,"store":"","codes":null,"card":null,"parts":null}`:                                                  "",
		`{"reason":"r","amount":500,"store":true,"codes":["a","b"],"card":{"id":"5f43a1b2c3d4e5f6a7b8c9d0","limit":7},"parts":[{"amount":"1"}]}`: "",
		`{"reason":"r","amount":5.55,"currency":"USD","parts":[{"amount":5.55}],"card":{"id":"5f43a1b2c3d4e5f6a7b8c9d0","limit":7.25}}`:          "",

		`{}`:                         "errMsg_reasonisRequired",
		`{"id":"x"}`:                 "errMsg_reasonisRequired",
		`{"reason":"r","id":"x"}`:    "errMsg_idisNotAValidID",
		`{"reason":"r","amount":.5}`: "errMsg_bodyisNotValidJSON",
		`{"reason":"r","amount":5.55,"currency":"JPY"}`:                 "errMsg_amountisNotAValidAmount",
		`{"reason":"r","amount":5.55}`:                                  "errMsg_amountisNotAValidAmount",
		`{"reason":"r","parts":[{"amount":5.55}]}`:                      "errMsg_parts[0].amountisNotAValidAmount",
		`{"reason":"r","currency":"x","amount":1}`:                      "errMsg_currencyisNotAValidCurrency",
		`{"reason":"r","store":"yes"}`:                                  "errMsg_storeisNotAValidBoolean",
		`{"reason":"r","store":1}`:                                      "errMsg_storeisNotAValidBoolean",
		`{"reason":"r","codes":"a"}`:                                    "errMsg_codesisNotAValidArray",
		`{"reason":"r","codes":["a","b","c"]}`:                          "errMsg_codesisNotAValidArray",
		`{"reason":"r","codes":["a",""]}`:                               "errMsg_codes[1]isNotAValidString",
		`{"reason":"r","codes":[7]}`:                                    "errMsg_codes[0]isNotAValidString",
		`{"reason":"r","card":[]}`:                                      "errMsg_cardisNotAValidObject",
		`{"reason":"r","card":{}}`:                                      "errMsg_card.idisRequired",
		`{"reason":"r","card":{"id":"5f43a1b2c3d4e5f6a7b8c9d0","x":1}}`: "errMsg_card.xisNotAKnownField",
		`{"reason":"r","x":1}`:                                          "errMsg_xisNotAKnownField",
	} {
		v, err := input.ParseBody([]byte(body))
		if err == nil {
			err = v.Take(fields()...)
		}
		if want == "" {
			require.NoError(t, err, body)
			continue
		}
		fault, ok := errors.AsType[*input.Error](err)
		require.True(t, ok, body)
		require.Equal(t, want, fault.Message(), body)
	}
}

// After Take the getters give what was sent.
func TestGettersAfterTake(t *testing.T) {
	t.Parallel()
	v, err := input.ParseBody([]byte(`{"reason":"r","amount":500,"store":"true","codes":["a","b"],"card":{"id":"5F43A1B2C3D4E5F6A7B8C9D0"}}`))
	require.NoError(t, err)
	require.NoError(t, v.Take(fields()...))
	yen, err := money.ParseCurrency("JPY")
	require.NoError(t, err)
	require.Equal(t, money.New(500, yen), v.Amount("amount", v.Currency("currency", yen)))
	require.True(t, v.Bool("store"))
	require.Equal(t, []string{"a", "b"}, v.Strings("codes", 2))
	var card string
	v.Object("card", func(inner *input.Values) { card = inner.ID("id") })
	require.Equal(t, "5f43a1b2c3d4e5f6a7b8c9d0", card)
	require.NoError(t, v.Err())
}

// An amount whose currency stands elsewhere is read twice: first for its form, then in that currency.
func TestAmountWithoutItsCurrency(t *testing.T) {
	t.Parallel()
	v, err := input.ParseBody([]byte(`{"amount":1.125}`))
	require.NoError(t, err)
	require.NoError(t, v.Take(input.Amount("amount"), input.Currency("currency", "")))
	usd, err := money.ParseCurrency("USD")
	require.NoError(t, err)
	v.Amount("amount", usd)
	require.ErrorContains(t, v.Err(), "errMsg_amountisNotAValidAmount")
}
