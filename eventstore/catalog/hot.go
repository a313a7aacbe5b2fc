package catalog

import (
	"strings"
	"time"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
)

// hotType is a type whose payloads are read by hand.
type hotType int

// The types of which nearly all of a log is made are read by hand instead of by reflection, in a third of the time. What one of
// these readers doesn't take, sealed texts and faults too, is read by the form of the type, which says what is wrong. A test
// compares the two.
const (
	cold hotType = iota // all others
	hotAssessed
	hotReserved
	hotReleased
	hotApplied
	hotStarted
	hotCaptured
)

var hot = map[wireName]hotType{
	{"fee.assessed", 1}:             hotAssessed,
	{"fee.payment_reserved", 1}:     hotReserved,
	{"fee.reservation_released", 1}: hotReleased,
	{"fee.payment_applied", 1}:      hotApplied,
	{"payment.started", 1}:          hotStarted,
	{"payment.captured", 2}:         hotCaptured,
}

// readHot reads a payload, or reports that it is to be read otherwise. Calls by name keep the scanner off the heap.
func readHot(t hotType, data string) (v any, ok bool) {
	s := scanner{rest: data, size: len(data)}
	switch t {
	case cold:
		return nil, false
	case hotAssessed:
		v = readAssessed(&s)
	case hotReserved:
		v = readReserved(&s)
	case hotReleased:
		v = readReleased(&s)
	case hotApplied:
		v = readApplied(&s)
	case hotStarted:
		v = readStarted(&s)
	case hotCaptured:
		v = readCaptured(&s)
	}
	return v, !s.cold && s.rest == ""
}

// take takes a token that must come next.
func (s *scanner) take(token string) {
	if !s.skip(token) {
		s.cold = true
	}
}

// word takes a key with the quote behind it, and the rest of the text, which has no escapes and is ASCII.
func (s *scanner) word(lead string) string {
	s.take(lead)
	end := strings.IndexByte(s.rest, '"')
	if end < 0 || !plain(s.rest[:end]) {
		s.cold = true
		return ""
	}
	text := s.rest[:end]
	s.rest = s.rest[end+1:]
	return text
}

// plain reports whether a text is of printable ASCII without backslashes, eight bytes at a time.
func plain(text string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	var odd uint64
	for ; len(text) >= 8; text = text[8:] {
		w := uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
			uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
		slash := w ^ ones*'\\'
		odd |= w | (w-ones*' ')&^w | (slash-ones)&^slash // high bits: not ASCII, below a space, a backslash
	}
	for i := range len(text) {
		if c := text[i]; c == '\\' || c < ' ' || c >= 0x80 {
			return false
		}
	}
	return odd&highs == 0
}

// maxDigits is how many digits an amount within money.MaxMinor has at most.
const maxDigits = 15

// amount takes a key with the first key of the amount behind it, and the rest of the amount.
func (s *scanner) amount(lead string) money.Amount {
	s.take(lead)
	minor, digits := int64(0), 0
	for ; digits < len(s.rest) && digits <= maxDigits && s.rest[digits] >= '0' && s.rest[digits] <= '9'; digits++ {
		minor = minor*10 + int64(s.rest[digits]-'0')
	}
	if digits == 0 || digits > maxDigits || digits > 1 && s.rest[0] == '0' { // negative ones too
		s.cold = true
		return money.Amount{}
	}
	s.rest = s.rest[digits:]
	code := s.word(`,"currency":"`)
	s.take("}")
	if s.cold {
		return money.Amount{}
	}
	cur, err := money.ParseCurrency(code)
	if err != nil {
		s.cold = true
		return money.Amount{}
	}
	return money.New(minor, cur)
}

func (s *scanner) instant(lead string) time.Time {
	text := s.word(lead)
	if s.cold {
		return time.Time{}
	}
	t, err := parseInstant(text)
	s.cold = err != nil
	return t
}

// list takes a key with the bracket behind it, and the rest of the list, of one or two elements mostly.
func list[T any](s *scanner, lead string, element func() T) []T {
	s.take(lead)
	if s.skip("]") {
		return []T{}
	}
	all := make([]T, 0, 2)
	for !s.cold {
		all = append(all, element())
		if s.skip("]") {
			return all
		}
		s.take(",")
	}
	return nil
}

func (s *scanner) allocations(lead string) []payment.Allocation {
	return list(s, lead, func() payment.Allocation {
		a := payment.Allocation{ID: s.word(`{"id":"`), FeeID: s.word(`,"feeId":"`), Amount: s.amount(`,"amount":{"minor":`)}
		s.take("}")
		return a
	})
}

func readAssessed(s *scanner) any {
	e := fee.Assessed{
		FeeID: s.word(`{"feeId":"`), UserID: s.word(`,"userId":"`), LoanID: s.word(`,"loanId":"`), Amount: s.amount(`,"amount":{"minor":`), Reason: s.word(`,"reason":"`),
	}
	s.take(`,"note":""`) // any other is sealed
	e.AssessedAt = s.instant(`,"assessedAt":"`)
	s.take("}")
	return e
}

func readReserved(s *scanner) any {
	e := fee.PaymentReserved{PaymentID: s.word(`{"paymentId":"`), AllocationID: s.word(`,"allocationId":"`), Amount: s.amount(`,"amount":{"minor":`)}
	s.take("}")
	return e
}

func readReleased(s *scanner) any {
	e := fee.ReservationReleased{
		PaymentID: s.word(`{"paymentId":"`), AllocationID: s.word(`,"allocationId":"`), Amount: s.amount(`,"amount":{"minor":`), Cause: fee.ReleaseCause(s.word(`,"cause":"`)),
	}
	s.take("}")
	return e
}

func readApplied(s *scanner) any {
	e := fee.PaymentApplied{PaymentID: s.word(`{"paymentId":"`), AllocationID: s.word(`,"allocationId":"`), Amount: s.amount(`,"amount":{"minor":`)}
	s.take("}")
	return e
}

func readStarted(s *scanner) any {
	e := payment.Started{
		PaymentID: s.word(`{"paymentId":"`), UserID: s.word(`,"userId":"`), Tender: payment.Tender(s.word(`,"tender":"`)), Amount: s.amount(`,"amount":{"minor":`),
		HandledBy: s.word(`,"handledBy":"`), Allocations: s.allocations(`,"allocations":[`), StripePaymentIntentID: s.word(`,"stripePaymentIntentId":"`),
	}
	s.take(`,"note":""}`) // any other is sealed
	return e
}

func readCaptured(s *scanner) any {
	e := payment.Captured{
		PaymentID: s.word(`{"paymentId":"`), UserID: s.word(`,"userId":"`), Tender: payment.Tender(s.word(`,"tender":"`)), Amount: s.amount(`,"amount":{"minor":`),
		HandledBy: s.word(`,"handledBy":"`), Allocations: s.allocations(`,"allocations":[`), CreditID: s.word(`,"creditId":"`), Credit: s.amount(`,"credit":{"minor":`),
		StripePaymentIntentID: s.word(`,"stripePaymentIntentId":"`),
	}
	s.take(`,"note":""}`) // any other is sealed
	return e
}

// readMeta reads the metadata, which each event has.
func readMeta(data []byte) (Meta, bool) {
	s := scanner{rest: string(data), size: len(data)}
	m := Meta{Actor: s.actor(), At: s.instant(`},"at":"`)}
	m.RequestID, m.TraceParent, m.Channel = s.word(`,"requestId":"`), s.word(`,"traceparent":"`), s.word(`,"channel":"`)
	m.Cause, m.AnswerHash = s.word(`,"cause":"`), s.word(`,"answerHash":"`)
	s.take("}")
	return m, !s.cold && s.rest == ""
}

// actor takes the actor, which stands first in metadata, but for its closing brace.
func (s *scanner) actor() Actor {
	a := Actor{Kind: s.word(`{"actor":{"kind":"`), ID: s.word(`,"id":"`)}
	a.Roles = list(s, `,"roles":[`, func() string { return s.word(`"`) })
	return a
}
