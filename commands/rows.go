package commands

import (
	"payledger/domain/credit"
	"payledger/domain/fee"
	"payledger/domain/gateway"
	"payledger/domain/payment"
	"payledger/readmodels"
)

// The rows that answers show, nil where there is none.

func feeRow(f folded[fee.State]) *readmodels.Fee {
	if rows, _ := f.row.(*readmodels.FeeState); rows != nil {
		return rows.Fee
	}
	return nil
}

func noteRow(f folded[fee.State], noteID string) *readmodels.FeeEvent {
	if rows, _ := f.row.(*readmodels.FeeState); rows != nil {
		return rows.Note(noteID)
	}
	return nil
}

func paymentRow(f folded[payment.State]) *readmodels.Payment {
	row, _ := f.row.(*readmodels.Payment)
	return row
}

func feePaymentRow(f folded[payment.State], id string) *readmodels.FeePayment {
	if p := paymentRow(f); p != nil {
		for i := range p.Rows {
			if p.Rows[i].ID == id {
				return &p.Rows[i]
			}
		}
	}
	return nil
}

func gatewayRow(f folded[gateway.State]) *readmodels.GatewayPayment {
	row, _ := f.row.(*readmodels.GatewayPayment)
	return row
}

func creditRows(f folded[credit.State]) *readmodels.Credits {
	rows, _ := f.row.(*readmodels.Credits)
	return rows
}
