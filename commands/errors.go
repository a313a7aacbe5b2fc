package commands

import (
	"errors"
	"fmt"
)

// Refusals of the use cases. Those of the deciders (packages fee, payment, credit, money, domain) and of the store come
// through as well; callers compare with errors.Is.
var (
	// ErrIDInUse refuses a caller's id for something new that names something already.
	ErrIDInUse = errors.New("id is in use")
	// ErrFeeNotFound refuses a command on a fee that was never assessed.
	ErrFeeNotFound = errors.New("fee not found")
	// ErrOtherUsersFee refuses the payment of one person for a fee of another.
	ErrOtherUsersFee = errors.New("fee belongs to another user")
	// ErrEffectiveInFuture refuses a caller's date that is later than the command.
	ErrEffectiveInFuture = errors.New("date is in the future")
	// ErrBeforeTakenBack refuses a caller's date that is earlier than what the command takes back.
	ErrBeforeTakenBack = errors.New("date is earlier than what is taken back")
	// ErrRecordNotFound refuses a command on a row that isn't there, or is deleted.
	ErrRecordNotFound = errors.New("record not found")
	// ErrNotANote refuses to change or hide a feeEvent that is no note: it says what happened.
	ErrNotANote = errors.New("feeEvent is no note")
	// ErrPaysOthers refuses to void a payment by one of its rows while the others have money.
	ErrPaysOthers = errors.New("payment settles other fees too")
	// ErrNoCredit refuses to settle a fee with credits where there are none.
	ErrNoCredit = errors.New("no credit is left")
	// ErrUnknownObject refuses an extension of what has no search document.
	ErrUnknownObject = errors.New("unknown object")
	// ErrStatusNotSettable refuses a status that no command leads to, such as unpaid for a fee that was paid.
	ErrStatusNotSettable = errors.New("fee can't be given this status")
)

// VersionMismatchError refuses a command whose If-Match isn't the row's recordVersion.
type VersionMismatchError struct {
	Current int64 // the row's recordVersion
}

// Error says which version the row has.
func (e *VersionMismatchError) Error() string {
	return fmt.Sprintf("row has version %d", e.Current)
}
