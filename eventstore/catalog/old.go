package catalog

import (
	"time"

	"payledger/domain/credit"
	"payledger/domain/evidence"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/person"
)

// The payloads of old versions as they were, each with the step that lifts it to the next version. Nothing here is ever
// changed or taken away: logs hold such events for ever.

// cancelledV1 is fee.cancelled before a fee could be hidden.
type cancelledV1 struct {
	Amount money.Amount `json:"amount"`
	Cause  fee.Cause    `json:"cause"`
	Note   string       `json:"note"   sealed:"true"`
}

func liftCancelled(old cancelledV1) fee.Cancelled {
	return fee.Cancelled{Amount: old.Amount, Cause: old.Cause, Note: old.Note}
}

// capturedV1 is payment.captured before it named a payment intent.
type capturedV1 struct {
	PaymentID   string               `json:"paymentId"`
	UserID      string               `json:"userId"`
	Tender      payment.Tender       `json:"tender"`
	Amount      money.Amount         `json:"amount"`
	HandledBy   string               `json:"handledBy"`
	Allocations []payment.Allocation `json:"allocations"`
	CreditID    string               `json:"creditId"`
	Credit      money.Amount         `json:"credit"`
	Note        string               `json:"note"        sealed:"true"`
}

func liftCaptured(old capturedV1) payment.Captured {
	return payment.Captured{
		PaymentID: old.PaymentID, UserID: old.UserID, Tender: old.Tender, Amount: old.Amount, HandledBy: old.HandledBy,
		Allocations: old.Allocations, CreditID: old.CreditID, Credit: old.Credit, Note: old.Note,
	}
}

// grantedV1 is credit.granted before credits were granted for a reason.
type grantedV1 struct {
	CreditID  string        `json:"creditId"`
	UserID    string        `json:"userId"`
	Amount    money.Amount  `json:"amount"`
	Source    credit.Source `json:"source"`
	PaymentID string        `json:"paymentId"`
	GrantedAt time.Time     `json:"grantedAt"`
}

func liftGranted(old grantedV1) credit.Granted {
	return credit.Granted{
		CreditID: old.CreditID, UserID: old.UserID, Amount: old.Amount, Source: old.Source, PaymentID: old.PaymentID, GrantedAt: old.GrantedAt,
	}
}

// reportMadeV1 is report.made before a report showed notes.
type reportMadeV1 struct {
	ReportID string               `json:"reportId"`
	Kind     string               `json:"kind"`
	Form     int                  `json:"form"`
	From     time.Time            `json:"from"`
	AsOf     time.Time            `json:"asOf"`
	KnownAt  int                  `json:"knownAt"`
	HeadHash string               `json:"headHash"`
	Filters  []evidence.Parameter `json:"filters"`
	Rows     int                  `json:"rows"`
	Digest   string               `json:"digest"`
	Totals   []evidence.Total     `json:"totals"`
}

func liftReportMade(old reportMadeV1) evidence.ReportMade {
	return evidence.ReportMade{
		ReportID: old.ReportID, Kind: old.Kind, Form: old.Form, From: old.From, AsOf: old.AsOf, KnownAt: old.KnownAt, HeadHash: old.HeadHash,
		Filters: old.Filters, Rows: old.Rows, Digest: old.Digest, Totals: old.Totals,
	}
}

// certifiedV1 is person.erasure_certified before topics could be compacted.
type certifiedV1 struct {
	UserID      string              `json:"userId"`
	ErasedAt    int                 `json:"erasedAt"`
	Keys        int                 `json:"keys"`
	Streams     int                 `json:"streams"`
	Texts       int                 `json:"texts"`
	Answers     int                 `json:"answers"`
	RouteEvents int                 `json:"routeEvents"`
	Projections []person.Projection `json:"projections"`
	Topics      []topicV1           `json:"topics"`
	AnswerDays  int                 `json:"answerDays"`
	BackupDays  int                 `json:"backupDays"`
}

type topicV1 struct {
	Topic       string `json:"topic"`
	RetentionMS int    `json:"retentionMs"`
}

func liftCertified(old certifiedV1) person.Certified {
	topics := make([]person.Topic, len(old.Topics))
	for i, t := range old.Topics {
		topics[i] = person.Topic{Topic: t.Topic, RetentionMS: t.RetentionMS}
	}
	return person.Certified{
		UserID: old.UserID, ErasedAt: old.ErasedAt, Keys: old.Keys, Streams: old.Streams, Texts: old.Texts, Answers: old.Answers,
		RouteEvents: old.RouteEvents, Projections: old.Projections, Topics: topics, AnswerDays: old.AnswerDays, BackupDays: old.BackupDays,
	}
}
