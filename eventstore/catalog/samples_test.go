package catalog

import (
	"strings"

	"payledger/domain/claim"
	"payledger/domain/credit"
	"payledger/domain/customer"
	"payledger/domain/evidence"
	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/person"
	"payledger/domain/policy"
)

const (
	sampleFee        = "01937b2a-0000-7000-8000-000000000001"
	sampleUser       = "01937b2a-0000-7000-8000-000000000002"
	samplePayment    = "01937b2a-0000-7000-8000-000000000003"
	sampleAllocation = "01937b2a-0000-7000-8000-000000000004"
	sampleCredit     = "01937b2a-0000-7000-8000-000000000005"
	sampleOther      = "01937b2a-0000-7000-8000-000000000006"
)

// samples is one value of every event, without texts to seal: those differ each time.
func samples() map[string]any {
	allocation := payment.Allocation{ID: sampleAllocation, FeeID: sampleFee, Amount: usd(1000)}
	return map[string]any{
		"fee.assessed": fee.Assessed{
			FeeID: sampleFee, UserID: sampleUser, LoanID: "5f43a1b2c3d4e5f6a7b8c9d0", Amount: usd(1250), Reason: `lost "A & B"`, AssessedAt: testTime,
		},
		"fee.adjusted":             fee.Adjusted{AdjustmentID: sampleOther, Direction: fee.DirectionDecrease, Amount: usd(300), Reason: "priceCorrection"},
		"fee.waived":               fee.Waived{ReductionID: sampleAllocation, Amount: usd(250), Reason: "goodwill"},
		"fee.written_off":          fee.WrittenOff{ReductionID: sampleOther, Amount: usd(250), Reason: "uncollectable"},
		"fee.reduction_released":   fee.ReductionReleased{ReductionID: sampleAllocation, Amount: usd(250)},
		"fee.reduction_reversed":   fee.ReductionReversed{ReductionID: sampleAllocation, Amount: usd(250), Reason: "staffError"},
		"fee.write_off_recovered":  fee.WriteOffRecovered{ReductionID: sampleOther, PaymentID: samplePayment, AllocationID: sampleAllocation, Amount: usd(250)},
		"fee.recovery_reversed":    fee.RecoveryReversed{ReductionID: sampleOther, PaymentID: samplePayment, AllocationID: sampleAllocation, Amount: usd(100)},
		"fee.cancelled":            fee.Cancelled{Amount: usd(1250), Cause: fee.CauseItemReturned, Hidden: true},
		"fee.payment_reserved":     fee.PaymentReserved{PaymentID: samplePayment, AllocationID: sampleAllocation, Amount: usd(1000)},
		"fee.reservation_released": fee.ReservationReleased{PaymentID: samplePayment, AllocationID: sampleAllocation, Amount: usd(1000), Cause: fee.ReleaseFailed},
		"fee.payment_applied":      fee.PaymentApplied{PaymentID: samplePayment, AllocationID: sampleAllocation, Amount: usd(1000)},
		"fee.payment_unapplied":    fee.PaymentUnapplied{PaymentID: samplePayment, AllocationID: sampleAllocation, Amount: usd(400), Cause: fee.UnapplyAdjustment},
		"fee.credit_applied":       fee.CreditApplied{CreditID: sampleCredit, AllocationID: sampleAllocation, Amount: usd(500)},
		"fee.credit_unapplied":     fee.CreditUnapplied{CreditID: sampleCredit, AllocationID: sampleAllocation, Amount: usd(500), Cause: fee.UnapplyAdjustment},
		"fee.annotated":            fee.Annotated{},
		"fee.note_added":           fee.NoteAdded{NoteID: sampleOther, Visibility: fee.VisibilityPatron},
		"fee.note_changed":         fee.NoteChanged{NoteID: sampleOther},
		"fee.note_hidden":          fee.NoteHidden{NoteID: sampleOther},
		"payment.started": payment.Started{
			PaymentID: samplePayment, UserID: sampleUser, Tender: payment.TenderOther, Amount: usd(1000), HandledBy: sampleUser,
			Allocations: []payment.Allocation{allocation}, StripePaymentIntentID: "pi_1",
		},
		"payment.captured": payment.Captured{
			PaymentID: samplePayment, UserID: sampleUser, Tender: payment.TenderCash, Amount: usd(1500), HandledBy: sampleUser,
			Allocations: []payment.Allocation{allocation}, CreditID: sampleCredit, Credit: usd(500), StripePaymentIntentID: "pi_1",
		},
		"payment.failed":    payment.Failed{PaymentID: samplePayment, Reason: "declined"},
		"payment.cancelled": payment.Cancelled{PaymentID: samplePayment, Reason: "wrongPatron", Hidden: true},
		"payment.voided":    payment.Voided{Amount: usd(1500), Reason: "keyingError", Outcome: payment.OutcomeCanceled, Hidden: true},
		"payment.reallocated": payment.Reallocated{
			Taken: []payment.Taken{{AllocationID: sampleAllocation, FeeID: sampleFee, Amount: usd(700)}},
			Given: []payment.Allocation{{ID: sampleOther, FeeID: "01937b2a-0000-7000-8000-000000000007", Amount: usd(300)}}, CreditID: sampleCredit, Credit: usd(400),
			Cause: payment.CauseReallocation, Reason: "wrongFee",
		},
		"payment.annotated": payment.Annotated{AllocationID: sampleAllocation},
		"credit.granted": credit.Granted{
			CreditID: sampleCredit, UserID: sampleUser, Amount: usd(500), Source: credit.SourceOverpayment, PaymentID: samplePayment, GrantedAt: testTime,
			Reason: "compensation",
		},
		"credit.spent":    credit.Spent{CreditID: sampleCredit, FeeID: sampleFee, AllocationID: sampleAllocation, Amount: usd(500)},
		"credit.returned": credit.Returned{CreditID: sampleCredit, AllocationID: sampleAllocation, Amount: usd(500)},
		"credit.reversed": credit.Reversed{CreditID: sampleCredit, Amount: usd(500), Cause: credit.CauseVoid},
		"gateway_payment.recorded": gateway.Recorded{
			ID: sampleOther, OwnerID: sampleUser, OrderID: sampleFee, PaymentID: "pi_1", PaymentStatus: "processing", StatusLiteral: "started",
			RedirectURL: "https://library.example/back?a=1&b=2",
		},
		"gateway_payment.updated": gateway.Updated{PaymentID: "pi_1", PaymentStatus: "succeeded", StatusLiteral: "success"},
		"gateway_payment.deleted": gateway.Deleted{ID: sampleOther},
		"customer.linked":         customer.Linked{ID: sampleOther, UserID: sampleUser, CustomerID: "cus_1", Platform: "stripe"},
		"customer.method_attached": customer.MethodAttached{
			ID: sampleOther, UserID: sampleUser, PaymentMethodID: "pm_1", CustomerID: "cus_1", Platform: "stripe",
			Card: customer.Card{Brand: "visa", Last4: "4242", ExpMonth: 4, ExpYear: 2031},
		},
		"customer.method_detached": customer.MethodDetached{ID: sampleOther, Cause: "user"},
		"policy.reasons_set":       policy.ReasonsSet{Kind: policy.KindWaive, Codes: []string{"goodwill", "hardship"}},
		"policy.books_profile_set": policy.ProfileSet{Profile: policy.ProfileCash},
		"extends.put": extension.Put{
			Object: "fee", ID: sampleFee, Stream: fee.Stream(sampleFee), Name: "reminders",
			Elements: []extension.Element{{ID: "r1", Value: `{"id": "r1", "sent": [1, null]}`}},
		},
		"report.made": evidence.ReportMade{
			ReportID: sampleOther, Kind: "aging", Form: 1, From: testTime, AsOf: testTime, KnownAt: 1200, HeadHash: strings.Repeat("0f", 32),
			Filters: []evidence.Parameter{{Name: "by", Value: sampleUser}}, Rows: 3, Digest: strings.Repeat("a0", 32), Notes: 2, Shown: 1,
			Totals: []evidence.Total{{Name: "total", Count: 2, Amount: money.Total{Amount: usd(1250)}}},
		},
		"audit.read": evidence.Read{
			Question: "history", Object: "fee", ID: sampleFee, Parameters: []evidence.Parameter{{Name: "asOf", Value: "2026-03-01"}}, KnownAt: 1200,
		},
		"projection.rebuilt": evidence.Rebuilt{
			RebuildID: sampleOther, Projection: "tables", Version: 2, Position: 1200, HeadHash: strings.Repeat("0f", 32), Rows: 400,
			Digest: strings.Repeat("a0", 32), LiveDigest: strings.Repeat("a0", 32), Equal: true, Code: "0.9.0 4f2c", SwappedAt: testTime,
		},
		"person.erased": person.Erased{UserID: sampleUser, Reason: "request"},
		"person.erasure_certified": person.Certified{
			UserID: sampleUser, ErasedAt: 1200, Keys: 1, Streams: 4, Texts: 3, Answers: 2, RouteEvents: 2,
			Projections: []person.Projection{{Name: "tables", Position: 1200}},
			Topics:      []person.Topic{{Topic: "librarymanagementsystem-payment-service-dbevent-fee-updated", RetentionMS: -1, Compacted: true, Tombstones: 3}},
			AnswerDays:  30, BackupDays: 14,
		},
		"id.claimed": claim.Claimed{Object: "feeEvent", ID: sampleOther, Stream: fee.Stream(sampleFee)},
	}
}

// oldSamples is what the golden files of old versions are read as.
func oldSamples() map[string]any {
	return map[string]any{
		"person.erasure_certified.v1": person.Certified{
			UserID: sampleUser, ErasedAt: 1200, Keys: 1, Streams: 4, Texts: 3, Answers: 2, RouteEvents: 2,
			Projections: []person.Projection{{Name: "tables", Position: 1200}},
			Topics:      []person.Topic{{Topic: "librarymanagementsystem-payment-service-dbevent-fee-updated", RetentionMS: -1}},
			AnswerDays:  30, BackupDays: 14,
		},
		"fee.cancelled.v1": fee.Cancelled{Amount: usd(1250), Cause: fee.CauseItemReturned},
		"payment.captured.v1": payment.Captured{
			PaymentID: samplePayment, UserID: sampleUser, Tender: payment.TenderCash, Amount: usd(1500), HandledBy: sampleUser,
			Allocations: []payment.Allocation{{ID: sampleAllocation, FeeID: sampleFee, Amount: usd(1000)}}, CreditID: sampleCredit, Credit: usd(500),
		},
		"credit.granted.v1": credit.Granted{
			CreditID: sampleCredit, UserID: sampleUser, Amount: usd(500), Source: credit.SourceOverpayment, PaymentID: samplePayment, GrantedAt: testTime,
		},
		"report.made.v1": evidence.ReportMade{
			ReportID: sampleOther, Kind: "aging", Form: 1, From: testTime, AsOf: testTime, KnownAt: 1200, HeadHash: strings.Repeat("0f", 32),
			Filters: []evidence.Parameter{{Name: "by", Value: sampleUser}}, Rows: 3, Digest: strings.Repeat("a0", 32),
			Totals: []evidence.Total{{Name: "total", Count: 2, Amount: money.Total{Amount: usd(1250)}}},
		},
	}
}
