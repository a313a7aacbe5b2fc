package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"payledger/domain/fee"
	"payledger/domain/money"
	"payledger/eventstore"
	"payledger/eventstore/catalog"
)

// tenant is the tenant of all data.
const tenant = "bench"

// The kinds of ids: each has its own row of numbers, so that every run has the same ids.
const (
	idEvent byte = iota + 1
	idCommit
	idMember
	idStaff
	idLoan
	idFee
	idPayment
	idAllocation
)

// firstMillisecond is the time in the first id of each kind, in Unix milliseconds: 1 March 2026.
const firstMillisecond = 1_772_323_200_000

// newID returns the id number n of a kind: a UUIDv7 whose time grows with n, as that of real ids does.
func newID(kind byte, n int64) (id uuid.UUID) {
	const perMillisecond = 4
	binary.BigEndian.PutUint64(id[:8], uint64(firstMillisecond+n/perMillisecond)<<16) //nolint:gosec // counts from 0
	id[6], id[7] = 0x70, kind
	binary.BigEndian.PutUint64(id[8:], uint64(n)*0x9e3779b97f4a7c15) //nolint:gosec // scattered, as random bits are
	id[8] = id[8]&0x3f | 0x80
	binary.BigEndian.PutUint16(id[14:], uint16(n)) //nolint:gosec // keeps ids of one millisecond apart
	return id
}

// data makes the same events in every run.
type data struct {
	catalog  *catalog.Catalog
	currency money.Currency
	event    eventstore.NewEvent // an assessed fee: what is stored over and over where only the store is measured
}

func newData() (data, error) {
	d := data{catalog: catalog.New()}
	var err error
	if d.currency, err = money.ParseCurrency("USD"); err != nil {
		return d, err
	}
	d.event, err = d.encode(fee.Stream(newID(idFee, 0).String()), 0, d.assessed(0, 0))
	return d, err
}

// at is the time of event n.
func (d data) at(n int64) time.Time { return time.UnixMilli(firstMillisecond + n).UTC() }

func (d data) assessed(feeNumber, member int64) fee.Assessed {
	return fee.Assessed{
		FeeID: newID(idFee, feeNumber).String(), UserID: newID(idMember, member).String(), LoanID: newID(idLoan, feeNumber).String(),
		Amount: d.amount(1250), Reason: "overdue", AssessedAt: d.at(feeNumber),
	}
}

func (d data) amount(minor int64) money.Amount { return money.New(minor, d.currency) }

// encode makes event n with metadata as commands over HTTP have.
func (d data) encode(stream string, n int64, event any) (eventstore.NewEvent, error) {
	encoded, err := d.catalog.Encode(catalog.EncodeArgs{
		Stream: eventstore.StreamID{Tenant: tenant, Name: stream}, ID: newID(idEvent, n), Data: event, EffectiveAt: d.at(n),
		Meta: catalog.Meta{
			Actor: catalog.Actor{Kind: "staff", ID: newID(idStaff, 0).String(), Roles: []string{"staff"}}, At: d.at(n),
			RequestID: strings.ReplaceAll(newID(idCommit, n).String(), "-", ""), Channel: "api",
			AnswerHash: strings.Repeat("0123456789abcdef", 4),
		},
	})
	if err != nil {
		return eventstore.NewEvent{}, fmt.Errorf("make event %d: %w", n, err)
	}
	return encoded, nil
}
