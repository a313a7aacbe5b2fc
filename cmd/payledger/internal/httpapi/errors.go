package httpapi

import (
	"context"
	"errors"
	"net/http"

	"payledger/cmd/payledger/internal/httpapi/auth"
	"payledger/cmd/payledger/internal/httpapi/envelope"
	"payledger/cmd/payledger/internal/httpapi/input"
	"payledger/commands"
	"payledger/domain"
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/domain/payment"
	"payledger/eventstore"
	"payledger/readmodels/search"
	"payledger/readmodels/checkpoints"
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
	errBeyondHead    = errors.New("position beyond the head of the log")
	errNewFeeStatus  = errors.New("a new fee is unpaid")
	errCrossOrigin   = errors.New("cookie sent by a page of another site")
)

// rule says how an error is answered. message is without its prefix errMsg_.
type rule struct {
	err     error
	status  int
	code    string
	message string
	retry   bool // the same request may succeed later: Retry-After
}

// Faults of ours look all the same from outside.
const (
	codeInternal    = "InternalError"
	messageInternal = "internalError"
)

// codeLoginRequired marks the one error whose message names the route.
const codeLoginRequired = "LoginRequired"

// rules is the one table from errors to answers. The first line that matches counts. A test demands a line for every exported
// error of domain, commands and eventstore.
var rules = [...]rule{
	// Who calls.
	{err: auth.ErrNoToken, status: http.StatusUnauthorized, code: codeLoginRequired},
	{err: auth.ErrBadToken, status: http.StatusUnauthorized, code: codeLoginRequired},
	{err: auth.ErrKeysUnavailable, status: http.StatusServiceUnavailable, code: "IssuerUnavailable", message: "issuerIsNotAvailable", retry: true},
	{err: auth.ErrTenant, status: http.StatusNotFound, code: "TenantNotFound", message: "TenantNotFound"},
	{err: auth.ErrForbidden, status: http.StatusForbidden, code: "Forbidden", message: "userHasNoPermission"},
	{err: errCrossOrigin, status: http.StatusForbidden, code: "CrossOrigin", message: "requestComesFromAnotherSite"},

	// The form of the request.
	{err: errUnknownRoute, status: http.StatusNotFound, code: "RouteNotFound", message: "RouteNotFound"},
	{err: errMethod, status: http.StatusMethodNotAllowed, code: "MethodNotAllowed", message: "MethodNotAllowed"},
	{err: errMediaType, status: http.StatusUnsupportedMediaType, code: "UnsupportedMediaType", message: "bodyMustBeJSON"},
	{err: errTooLarge, status: http.StatusRequestEntityTooLarge, code: "BodyTooLarge", message: "bodyIsTooLarge"},
	{err: errBody, status: http.StatusBadRequest, code: "BadRequest", message: "bodyCouldNotBeRead"},
	{err: errBeyondHead, status: http.StatusBadRequest, code: "BadRequest", message: headerMinPosition + "isBeyondTheLog"},
	{err: money.ErrSyntax, status: http.StatusBadRequest, code: "BadRequest", message: "amountisNotAValidAmount"},
	{err: money.ErrMalformed, status: http.StatusBadRequest, code: "BadRequest", message: "amountisNotAValidAmount"},
	{err: money.ErrTooManyDigits, status: http.StatusBadRequest, code: "BadRequest", message: "amountisNotAValidAmount"},
	{err: money.ErrOverflow, status: http.StatusBadRequest, code: "BadRequest", message: "amountisNotAValidAmount"},
	{err: money.ErrNotPositive, status: http.StatusBadRequest, code: "BadRequest", message: "amountisNotAValidAmount"},
	{err: money.ErrUnknownCurrency, status: http.StatusBadRequest, code: "BadRequest", message: "currencyisNotAValidCurrency"},

	{err: payment.ErrUnknownTender, status: http.StatusBadRequest, code: "BadRequest", message: "tenderisNotAValidEnum"},
	{err: tables.ErrSort, status: http.StatusBadRequest, code: "BadRequest", message: "sortisNotAValidEnum"},
	{err: tables.ErrCursor, status: http.StatusBadRequest, code: "BadRequest", message: "cursorisNotAValidCursor"},

	// What isn't there, or not yet.
	{err: errNotFound, status: http.StatusNotFound, code: "RecordNotFound", message: "RecordNotFound"},
	{err: fee.ErrNotFound, status: http.StatusNotFound, code: "RecordNotFound", message: "RecordNotFound"},
	{err: commands.ErrFeeNotFound, status: http.StatusNotFound, code: "RecordNotFound", message: "RecordNotFound"},
	{err: checkpoints.ErrNotBuilt, status: http.StatusServiceUnavailable, code: "NotYetVisible", message: "notYetVisible", retry: true},
	{err: errNotYetVisible, status: http.StatusServiceUnavailable, code: "NotYetVisible", message: "notYetVisible", retry: true},

	// Conflicts.
	{err: commands.ErrIDInUse, status: http.StatusConflict, code: "IdInUse", message: "idInUse"},
	{err: fee.ErrExists, status: http.StatusConflict, code: "IdInUse", message: "idInUse"},
	{err: payment.ErrExists, status: http.StatusConflict, code: "IdInUse", message: "idInUse"},
	{err: eventstore.ErrClaimRunning, status: http.StatusConflict, code: "RequestInProgress", message: "requestIsStillRunning", retry: true},
	{err: eventstore.ErrFingerprint, status: http.StatusUnprocessableEntity, code: "IdempotencyKeyReused", message: "idempotencyKeyIsUsedForAnotherRequest"},

	// Rules of the domain.
	{err: fee.ErrCancelled, status: http.StatusUnprocessableEntity, code: "FeeCanceled", message: "feeIsCanceled"},
	{err: fee.ErrAlreadySettled, status: http.StatusUnprocessableEntity, code: "FeeAlreadySettled", message: "feeIsAlreadySettled"},
	{err: fee.ErrExceedsOutstanding, status: http.StatusUnprocessableEntity, code: "ExceedsOutstanding", message: "amountExceedsOutstanding"},
	{err: fee.ErrMoneyApplied, status: http.StatusUnprocessableEntity, code: "MoneyApplied", message: "moneyIsPaidOnTheFee"},
	{err: fee.ErrUnknownCause, status: http.StatusUnprocessableEntity, code: "UnknownCause", message: "causeIsUnknown"},
	{err: payment.ErrOverAllocated, status: http.StatusUnprocessableEntity, code: "OverAllocated", message: "allocationsExceedThePayment"},
	{err: payment.ErrDuplicateFee, status: http.StatusUnprocessableEntity, code: "DuplicateFee", message: "feeIsNamedTwice"},
	{err: payment.ErrDuplicateAllocation, status: http.StatusUnprocessableEntity, code: "DuplicateAllocation", message: "allocationIsNamedTwice"},
	{err: payment.ErrNoTarget, status: http.StatusUnprocessableEntity, code: "NoTarget", message: "paymentHasNoTarget"},
	{err: money.ErrCurrencyMismatch, status: http.StatusUnprocessableEntity, code: "CurrencyMismatch", message: "currenciesDiffer"},
	{err: domain.ErrBeforeFirstEvent, status: http.StatusUnprocessableEntity, code: "DateTooEarly", message: "dateIsBeforeTheFirstEvent"},
	{err: commands.ErrEffectiveInFuture, status: http.StatusUnprocessableEntity, code: "DateInFuture", message: "dateIsInTheFuture"},
	{err: commands.ErrOtherUsersFee, status: http.StatusUnprocessableEntity, code: "OtherUsersFee", message: "feeBelongsToAnotherUser"},
	{err: eventstore.ErrKeyDestroyed, status: http.StatusUnprocessableEntity, code: "PersonErased", message: "personIsErased"},
	{err: commands.ErrStatusNotSettable, status: http.StatusUnprocessableEntity, code: "StatusNotSettable", message: "statusCanNotBeSet"},
	{err: errNewFeeStatus, status: http.StatusUnprocessableEntity, code: "StatusNotSettable", message: "newFeeMustBeUnpaid"},

	// Ours to bear: nothing of it is the caller's fault.
	{err: errTooMany, status: http.StatusServiceUnavailable, code: "Busy", message: "serviceIsBusy", retry: true},
	{err: eventstore.ErrBusy, status: http.StatusServiceUnavailable, code: "Busy", message: "serviceIsBusy", retry: true},
	{err: eventstore.ErrClosed, status: http.StatusServiceUnavailable, code: "Busy", message: "serviceIsBusy", retry: true},
	{err: search.ErrUnavailable, status: http.StatusServiceUnavailable, code: "SearchUnavailable", message: "searchIsNotAvailable", retry: true},
	{err: domain.ErrUnknownCommand, status: http.StatusInternalServerError, code: codeInternal, message: messageInternal},
	{err: credit.ErrUnknownSource, status: http.StatusInternalServerError, code: codeInternal, message: messageInternal},
	{err: eventstore.ErrCommitNotFound, status: http.StatusInternalServerError, code: codeInternal, message: messageInternal},
	{err: eventstore.ErrKeyUnknown, status: http.StatusInternalServerError, code: codeInternal, message: messageInternal},
	{err: eventstore.ErrSubjectChanged, status: http.StatusInternalServerError, code: codeInternal, message: messageInternal},
	{err: eventstore.ErrStored, status: http.StatusInternalServerError, code: codeInternal, message: messageInternal},
	{err: eventstore.ErrPanic, status: http.StatusInternalServerError, code: codeInternal, message: messageInternal},
	{err: eventstore.ErrInvalid, status: http.StatusInternalServerError, code: codeInternal, message: messageInternal},
	{err: eventstore.ErrGap, status: http.StatusInternalServerError, code: codeInternal, message: messageInternal},
	{err: context.DeadlineExceeded, status: http.StatusServiceUnavailable, code: "Busy", message: "serviceIsBusy", retry: true},
	{err: context.Canceled, status: statusClientGone, code: "ClientGone", message: "clientIsGone"},
}

// statusClientGone is what the log says of a request that its client gave up; nobody receives it.
const statusClientGone = 499

// internal answers what no line of the table knows: a fault of ours, told without its text.
var internal = rule{status: http.StatusInternalServerError, code: codeInternal, message: messageInternal}

// classify returns the line of the table for an error.
func classify(err error) rule {
	if _, ok := errors.AsType[*input.Error](err); ok {
		return rule{status: http.StatusBadRequest, code: "BadRequest"}
	}
	if _, ok := errors.AsType[*commands.VersionMismatchError](err); ok {
		return rule{status: http.StatusPreconditionFailed, code: "VersionMismatch", message: "recordVersionDoesNotMatch"}
	}
	for _, r := range rules {
		if errors.Is(err, r.err) {
			return r
		}
	}
	return internal
}

// problem returns the answer to an error.
func problem(err error) *envelope.Problem {
	r := classify(err)
	p := &envelope.Problem{Status: r.status, Code: r.code, Message: "errMsg_" + r.message}
	if bad, ok := errors.AsType[*input.Error](err); ok {
		p.Message = bad.Message()
		p.Detail = []envelope.Part{envelope.Text("field", bad.Param), envelope.Text("rule", string(bad.Rule))}
		if bad.Detail != "" {
			p.Detail = append(p.Detail, envelope.Text("wanted", bad.Detail))
		}
	}
	if stale, ok := errors.AsType[*commands.VersionMismatchError](err); ok {
		p.Detail = []envelope.Part{envelope.Number("recordVersion", stale.Current)}
	}
	return p
}
