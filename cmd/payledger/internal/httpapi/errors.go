package httpapi

import (
	"context"
	"errors"
	"net/http"

	"payledger/audit"
	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain"
	"payledger/domain/books"
	"payledger/domain/claim"
	"payledger/domain/credit"
	"payledger/domain/extension"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/domain/person"
	"payledger/domain/policy"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
	"payledger/projections"
	bookrows "payledger/readmodels/books"
	"payledger/readmodels/checkpoints"
	"payledger/readmodels/search"
	"payledger/readmodels/tables"
)

// Refusals of the edge itself.
var (
	errUnknownRoute  = errors.New("no such route")
	errMethod        = errors.New("method not allowed")
	errMediaType     = errors.New("body must be application/json")
	errTooLarge      = errors.New("body is too large")
	errBody          = errors.New("body could not be read")
	errTooMany       = errors.New("too many requests in flight")
	errNotFound      = errors.New("record not found")
	errNotYetVisible = errors.New("not yet visible")
	errNewFeeStatus  = errors.New("a new fee is unpaid")
	errOtherActor    = errors.New("the body names another actor than the token")
	errNotTheOwner   = errors.New("only the owner of the fee may pay it by card")
	errStripeAtDesk  = errors.New("cards are paid through checkout, not at the desk")
	errExtensionName = errors.New("the configuration doesn't allow a list of this name")
	errNoGateway     = errors.New("gateway not configured")
	errCrossOrigin   = errors.New("cookie sent by a page of another site")
	errPanic         = errors.New("panic")
)

// rule says how an error is answered. message is without its prefix errMsg_.
type rule struct {
	err     error
	status  int
	code    string
	message string
	retry   bool // the same request may succeed later: Retry-After
}

// Words that several lines share. codeLoginRequired marks the one error whose message names the route.
const (
	codeLoginRequired = "LoginRequired"
	codeBadRequest    = "BadRequest"
	codeNotFound      = "RecordNotFound" // its message too
	codeInUse         = "IdInUse"
	messageInUse      = "idInUse"
	codeBusy          = "Busy"
	messageBusy       = "serviceIsBusy"
)

// rules is the one table from errors to answers. The first line that matches counts. A test demands a line for every exported
// error of domain, commands and eventstore.
var rules = [...]rule{
	// Who calls.
	answers(auth.ErrNoToken, http.StatusUnauthorized, codeLoginRequired, ""),
	answers(auth.ErrBadToken, http.StatusUnauthorized, codeLoginRequired, ""),
	later(auth.ErrKeysUnavailable, "IssuerUnavailable", "issuerIsNotAvailable"),
	answers(auth.ErrTenant, http.StatusNotFound, "TenantNotFound", "TenantNotFound"),
	answers(auth.ErrForbidden, http.StatusForbidden, "Forbidden", "userHasNoPermission"),
	answers(errNotTheOwner, http.StatusForbidden, "NotTheOwner", "feeCanBeAccessedByOwner"),
	answers(errCrossOrigin, http.StatusForbidden, "CrossOrigin", "requestComesFromAnotherSite"),

	// The form of the request.
	answers(errUnknownRoute, http.StatusNotFound, "RouteNotFound", "RouteNotFound"),
	answers(errMethod, http.StatusMethodNotAllowed, "MethodNotAllowed", "MethodNotAllowed"),
	answers(errMediaType, http.StatusUnsupportedMediaType, "UnsupportedMediaType", "bodyMustBeJSON"),
	answers(errTooLarge, http.StatusRequestEntityTooLarge, "BodyTooLarge", "bodyIsTooLarge"),
	bad(errBody, "bodyCouldNotBeRead"),
	bad(money.ErrSyntax, "amountisNotAValidAmount"),
	bad(money.ErrMalformed, "amountisNotAValidAmount"),
	bad(money.ErrTooManyDigits, "amountisNotAValidAmount"),
	bad(money.ErrOverflow, "amountisNotAValidAmount"),
	bad(money.ErrNotPositive, "amountisNotAValidAmount"),
	bad(money.ErrUnknownCurrency, "currencyisNotAValidCurrency"),
	bad(payment.ErrUnknownTender, "tenderisNotAValidEnum"),
	bad(fee.ErrUnknownDirection, "directionisNotAValidEnum"),
	bad(fee.ErrUnknownVisibility, "visibilityisNotAValidEnum"),
	bad(policy.ErrUnknownKind, "kindisNotAValidEnum"),
	bad(policy.ErrUnknownProfile, "profileisNotAValidEnum"),
	bad(policy.ErrBadCodes, "codesisNotAValidArray"),
	bad(person.ErrBadReason, "reasonisNotAValidCode"),
	bad(commands.ErrUnknownObject, "objectisNotAValidEnum"),
	bad(audit.ErrBadFilter, "parametersDoNotFitTheReport"),
	bad(tables.ErrSort, "sortisNotAValidEnum"),
	bad(tables.ErrCursor, "cursorisNotAValidCursor"),

	// What isn't there, or not yet.
	answers(errNotFound, http.StatusNotFound, codeNotFound, codeNotFound),
	answers(fee.ErrNotFound, http.StatusNotFound, codeNotFound, codeNotFound),
	answers(fee.ErrNoteNotFound, http.StatusNotFound, codeNotFound, codeNotFound),
	answers(payment.ErrNotFound, http.StatusNotFound, codeNotFound, codeNotFound),
	answers(credit.ErrNotFound, http.StatusNotFound, codeNotFound, codeNotFound),
	answers(gateway.ErrNotFound, http.StatusNotFound, codeNotFound, codeNotFound),
	answers(commands.ErrRecordNotFound, http.StatusNotFound, codeNotFound, codeNotFound),
	answers(commands.ErrFeeNotFound, http.StatusNotFound, codeNotFound, codeNotFound),
	answers(audit.ErrNotFound, http.StatusNotFound, codeNotFound, codeNotFound),
	answers(audit.ErrUnknownReport, http.StatusNotFound, codeNotFound, codeNotFound),
	answers(audit.ErrUnknownObject, http.StatusNotFound, codeNotFound, codeNotFound),
	later(checkpoints.ErrNotBuilt, "NotYetVisible", "notYetVisible"),
	later(bookrows.ErrAhead, "NotYetVisible", "notYetVisible"),
	later(errNotYetVisible, "NotYetVisible", "notYetVisible"),

	// Conflicts.
	answers(commands.ErrIDInUse, http.StatusConflict, codeInUse, messageInUse),
	answers(claim.ErrTaken, http.StatusConflict, codeInUse, messageInUse),
	answers(fee.ErrExists, http.StatusConflict, codeInUse, messageInUse),
	answers(fee.ErrNoteExists, http.StatusConflict, codeInUse, messageInUse),
	answers(gateway.ErrExists, http.StatusConflict, codeInUse, messageInUse),
	answers(payment.ErrExists, http.StatusConflict, codeInUse, messageInUse),
	{eventstore.ErrClaimRunning, http.StatusConflict, "RequestInProgress", "requestIsStillRunning", true},
	refused(eventstore.ErrFingerprint, "IdempotencyKeyReused", "idempotencyKeyIsUsedForAnotherRequest"),

	// Rules of the domain.
	refused(fee.ErrCancelled, "FeeCanceled", "feeIsCanceled"),
	refused(fee.ErrAlreadySettled, "FeeAlreadySettled", "feeIsAlreadySettled"),
	refused(fee.ErrExceedsOutstanding, "ExceedsOutstanding", "amountExceedsOutstanding"),
	refused(fee.ErrReserved, "AmountReserved", "amountIsReservedForAPayment"),
	refused(fee.ErrExceedsGross, "ExceedsGross", "amountExceedsTheFee"),
	refused(fee.ErrReductionNotFound, "ReductionNotFound", "reductionIsNotThere"),
	refused(fee.ErrRecovered, "WriteOffRecovered", "writeOffIsRecovered"),
	refused(fee.ErrMoneyApplied, "MoneyApplied", "moneyIsPaidOnTheFee"),
	refused(fee.ErrUnknownCause, "UnknownCause", "causeIsUnknown"),
	refused(payment.ErrOverAllocated, "OverAllocated", "allocationsExceedThePayment"),
	refused(payment.ErrTooManyFees, "TooManyFees", "paymentGoesToTooManyFees"),
	refused(payment.ErrDuplicateFee, "DuplicateFee", "feeIsNamedTwice"),
	refused(payment.ErrDuplicateAllocation, "DuplicateAllocation", "allocationIsNamedTwice"),
	refused(payment.ErrAllocationNotFound, "AllocationNotFound", "allocationIsNotThere"),
	refused(payment.ErrNotPending, "PaymentNotPending", "paymentIsNotPending"),
	refused(payment.ErrNotCaptured, "PaymentNotCaptured", "paymentIsNotCaptured"),
	refused(credit.ErrExceedsCredit, "ExceedsCredit", "amountExceedsTheCredit"),
	refused(credit.ErrSpent, "CreditSpent", "creditIsSpent"),
	refused(policy.ErrUnknownReason, "UnknownReason", "reasonIsUnknown"),
	refused(extension.ErrDuplicateElement, "DuplicateElement", "elementIsNamedTwice"),
	refused(extension.ErrTooLarge, "ListTooLarge", "listIsTooLarge"),
	refused(payment.ErrNoTarget, "NoTarget", "paymentHasNoTarget"),
	refused(money.ErrCurrencyMismatch, "CurrencyMismatch", "currenciesDiffer"),
	refused(domain.ErrBeforeFirstEvent, "DateTooEarly", "dateIsBeforeTheFirstEvent"),
	refused(commands.ErrBeforeTakenBack, "DateTooEarly", "dateIsBeforeWhatIsTakenBack"),
	refused(commands.ErrEffectiveInFuture, "DateInFuture", "dateIsInTheFuture"),
	refused(commands.ErrOtherUsersFee, "OtherUsersFee", "feeBelongsToAnotherUser"),
	refused(commands.ErrNotANote, "NotANote", "feeEventIsNotANote"),
	refused(commands.ErrPaysOthers, "PaysOthers", "paymentSettlesOtherFees"),
	refused(commands.ErrNoCredit, "NoCredit", "noCreditIsLeft"),
	refused(commands.ErrStatusNotSettable, "StatusNotSettable", "statusCanNotBeSet"),
	refused(errNewFeeStatus, "StatusNotSettable", "newFeeMustBeUnpaid"),
	refused(errStripeAtDesk, "StripeAtDesk", "cardsArePaidThroughCheckout"),
	refused(errExtensionName, "ExtensionNotAllowed", "extensionNameIsNotAllowed"),
	refused(errOtherActor, "OtherActor", "actorIsNotTheCaller"),
	refused(audit.ErrNoStateThen, "NoStateThen", "eventsBuildOnALaterOne"),
	refused(audit.ErrOtherForm, "OtherForm", "reportWasMadeByOtherRules"),
	refused(person.ErrMoneyOpen, "MoneyOpen", "moneyIsOpen"),
	refused(eventstore.ErrKeyDestroyed, "PersonErased", "personIsErased"),

	// Ours to bear, and over soon.
	later(errTooMany, codeBusy, messageBusy),
	later(eventstore.ErrBusy, codeBusy, messageBusy),
	later(eventstore.ErrClosed, codeBusy, messageBusy),
	later(context.DeadlineExceeded, codeBusy, messageBusy),
	later(errNoGateway, "GatewayNotConfigured", "gatewayNotConfigured"),
	later(search.ErrUnavailable, "SearchUnavailable", "searchIsNotAvailable"),
	answers(context.Canceled, statusClientGone, "ClientGone", "clientIsGone"),

	// Faults of ours.
	fault(errPanic),
	fault(money.ErrTotalTooLarge),
	fault(domain.ErrUnknownCommand),
	fault(credit.ErrUnknownSource),
	fault(fee.ErrAllocationNotFound),
	fault(payment.ErrUnknownOutcome),
	fault(books.ErrUnknownOrigin),
	fault(catalog.ErrUnknownType),
	fault(catalog.ErrNotRegistered),
	fault(catalog.ErrNoKey),
	fault(catalog.ErrMalformed),
	fault(person.ErrNotErased),
	fault(eventstore.ErrCommitNotFound),
	fault(eventstore.ErrKeyUnknown),
	fault(eventstore.ErrNoHead),
	fault(eventstore.ErrMasterKey),
	fault(eventstore.ErrNotInLog),
	fault(eventstore.ErrSealed),
	fault(eventstore.ErrSubjectChanged),
	fault(eventstore.ErrStored),
	fault(eventstore.ErrPanic),
	fault(eventstore.ErrInvalid),
	fault(eventstore.ErrGap),
}

func answers(err error, status int, code, message string) rule {
	return rule{err: err, status: status, code: code, message: message}
}

func bad(err error, message string) rule {
	return answers(err, http.StatusBadRequest, codeBadRequest, message)
}

func refused(err error, code, message string) rule {
	return answers(err, http.StatusUnprocessableEntity, code, message)
}

func later(err error, code, message string) rule {
	return rule{err: err, status: http.StatusServiceUnavailable, code: code, message: message, retry: true}
}

// fault is an error that callers are told nothing about.
func fault(err error) rule {
	return answers(err, http.StatusInternalServerError, "InternalError", "internalError")
}

// statusClientGone is what the log says of a request that its client gave up; nobody receives it.
const statusClientGone = 499

// classify returns the line of the table for an error. What no line knows is a fault of ours.
func classify(err error) rule {
	if _, ok := errors.AsType[*input.Error](err); ok {
		return bad(err, "")
	}
	if _, ok := errors.AsType[*commands.VersionMismatchError](err); ok {
		return answers(err, http.StatusPreconditionFailed, "VersionMismatch", "recordVersionDoesNotMatch")
	}
	for _, r := range rules {
		if errors.Is(err, r.err) {
			return r
		}
	}
	if projections.Transient(err) { // the database is away, or in trouble that passes
		return later(err, codeBusy, messageBusy)
	}
	return fault(err)
}

// problem returns the answer to an error that r is the line of.
func problem(r rule, err error) *envelope.Problem {
	p := &envelope.Problem{Status: r.status, Code: r.code, Message: "errMsg_" + r.message}
	if broken, ok := errors.AsType[*input.Error](err); ok {
		p.Message = broken.Message()
		p.Detail = []envelope.Part{envelope.Text("field", broken.Param), envelope.Text("rule", string(broken.Rule))}
		if broken.Detail != "" {
			p.Detail = append(p.Detail, envelope.Text("wanted", broken.Detail))
		}
	}
	if stale, ok := errors.AsType[*commands.VersionMismatchError](err); ok {
		p.Detail = []envelope.Part{envelope.Number("recordVersion", stale.Current)}
	}
	return p
}
