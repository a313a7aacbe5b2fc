package envelope

import (
	"net/http"
	"strconv"
	"time"

	"payledger/internal/jsontext"
)

// Problem is an answer that says what went wrong. It never holds a stack, SQL, a secret or the caller's values.
type Problem struct {
	Status    int
	Code      string // stable word for programs
	Message   string // errMsg_…
	RequestID string
	At        time.Time
	// Detail are the parts of the explanation, in order; the value of each is printed as a string, or as it stands if it is a number.
	Detail []Part
}

// Part is one named part of a problem's explanation.
type Part struct {
	Name string
	Text string
	// Number is printed instead of Text when IsNumber is set.
	Number   int64
	IsNumber bool
}

// Text returns a part that is a text.
func Text(name, text string) Part { return Part{Name: name, Text: text} }

// Number returns a part that is a whole number.
func Number(name string, n int64) Part { return Part{Name: name, Number: n, IsNumber: true} }

// Content types of the two forms.
const (
	TypeJSON    = "application/json; charset=utf-8"
	TypeProblem = "application/problem+json"
)

// AppendError appends the error envelope of the contract.
func AppendError(dst []byte, p *Problem) []byte {
	dst = append(dst, `{"result":"ERR","status":`...)
	dst = strconv.AppendInt(dst, int64(p.Status), 10)
	dst = jsontext.AppendString(append(dst, `,"message":`...), p.Message)
	dst = jsontext.AppendString(append(dst, `,"errCode":`...), p.Code)
	dst = jsontext.AppendTime(append(dst, `,"date":`...), p.At)
	dst = append(dst, `,"detail":`...)
	if len(p.Detail) == 0 {
		return append(dst, `null}`...)
	}
	return append(appendParts(append(dst, '{'), p.Detail), '}', '}')
}

// AppendProblem appends the same error as RFC 9457 says.
func AppendProblem(dst []byte, p *Problem) []byte {
	dst = append(dst, `{"type":"about:blank","title":`...)
	dst = jsontext.AppendString(dst, http.StatusText(p.Status))
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(p.Status), 10)
	dst = jsontext.AppendString(append(dst, `,"detail":`...), p.Message)
	dst = jsontext.AppendString(append(dst, `,"code":`...), p.Code)
	dst = jsontext.AppendTime(append(dst, `,"date":`...), p.At)
	dst = jsontext.AppendStringOrNull(append(dst, `,"requestId":`...), p.RequestID)
	if len(p.Detail) > 0 {
		dst = append(appendParts(append(dst, `,"errors":[{`...), p.Detail), '}', ']')
	}
	return append(dst, '}')
}

func appendParts(dst []byte, parts []Part) []byte {
	for i, part := range parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsontext.AppendString(dst, part.Name), ':')
		if part.IsNumber {
			dst = strconv.AppendInt(dst, part.Number, 10)
		} else {
			dst = jsontext.AppendString(dst, part.Text)
		}
	}
	return dst
}
