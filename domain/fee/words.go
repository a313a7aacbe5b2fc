package fee

// Cause says why a fee should never have been.
type Cause string

// The causes of a cancellation.
const (
	CauseError        Cause = "error"
	CauseDuplicate    Cause = "duplicate"
	CauseItemReturned Cause = "itemReturned"
	CauseItemRenewed  Cause = "itemRenewed"
)

func (c Cause) known() bool {
	switch c {
	case CauseError, CauseDuplicate, CauseItemReturned, CauseItemRenewed:
		return true
	}
	return false
}

// Direction says whether an adjustment charges more or less.
type Direction string

// The directions.
const (
	DirectionIncrease Direction = "increase"
	DirectionDecrease Direction = "decrease"
)

// Visibility says whom an added note is for.
type Visibility string

// The visibilities.
const (
	VisibilityStaff  Visibility = "staff"
	VisibilityPatron Visibility = "patron" // the member whose fee it is, and staff
)

// ReleaseCause says what became of a payment that a reservation was for.
type ReleaseCause string

// The causes of a release.
const (
	ReleaseCaptured ReleaseCause = "captured"
	ReleaseFailed   ReleaseCause = "failed"
	ReleaseCanceled ReleaseCause = "canceled" // the payment or the fee
)

// UnapplyCause says why money was taken off a fee.
type UnapplyCause string

// The causes of taking money off.
const (
	UnapplyVoid         UnapplyCause = "void"
	UnapplyReallocation UnapplyCause = "reallocation"
	UnapplyAdjustment   UnapplyCause = "adjustment" // the fee shrank below what was settled
)
