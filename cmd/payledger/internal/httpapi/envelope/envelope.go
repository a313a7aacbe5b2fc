// Package envelope prints answers: the success envelope and the error envelope of the contract, keys in its order. The same
// bytes go to the client, under the idempotency key and, for routes with a topic, to Kafka; so they are made in one place.
package envelope

import (
	"encoding/hex"
	"strconv"
	"time"

	"payledger/internal/jsontext"
)

// Head is what the envelope says about the request. Texts that are empty are printed as null.
type Head struct {
	Status     int           // the HTTP status
	Elapsed    time.Duration // since the request arrived
	SSO        time.Duration // spent on authentication
	CacheKey   [32]byte      // digest of route and parameters
	UserID     string
	SessionID  string
	RequestID  string
	DataName   string
	Method     string
	Action     string
	AppVersion string
}

// Paging is the part of a list's envelope that says which page it is.
type Paging struct {
	PageNumber    int
	PageRowCount  int
	TotalRowCount int64
	// ByCursor adds the cursor of the next page; Next is empty on the last one.
	ByCursor bool
	Next     string
}

// PageCount returns how many pages there are.
func (p Paging) PageCount() int64 {
	if p.PageRowCount <= 0 {
		return 0
	}
	size := int64(p.PageRowCount)
	return (p.TotalRowCount + size - 1) / size
}

// AppendOne appends the envelope of one row.
func AppendOne(dst []byte, h *Head, row func([]byte) []byte) []byte {
	dst = appendHead(dst, h, 1)
	dst = row(dst)
	return append(dst, '}')
}

// AppendList appends the envelope of a list. row appends the i-th of count rows. filters are the names of the filters applied,
// permissions those granted to the caller.
func AppendList(dst []byte, h *Head, count int, row func([]byte, int) []byte, p Paging, filters, permissions []string) []byte {
	dst = appendHead(dst, h, count)
	dst = append(dst, '[')
	for i := range count {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = row(dst, i)
	}
	dst = append(dst, `],"paging":{"pageNumber":`...)
	dst = strconv.AppendInt(dst, int64(p.PageNumber), 10)
	dst = append(dst, `,"pageRowCount":`...)
	dst = strconv.AppendInt(dst, int64(p.PageRowCount), 10)
	dst = append(dst, `,"totalRowCount":`...)
	dst = strconv.AppendInt(dst, p.TotalRowCount, 10)
	dst = append(dst, `,"pageCount":`...)
	dst = strconv.AppendInt(dst, p.PageCount(), 10)
	if p.ByCursor {
		dst = jsontext.AppendStringOrNull(append(dst, `,"cursor":`...), p.Next)
	}
	dst = appendNames(append(dst, `},"filters":`...), filters)
	dst = appendNames(append(dst, `,"uiPermissions":`...), permissions)
	return append(dst, '}')
}

func appendHead(dst []byte, h *Head, rows int) []byte {
	dst = append(dst, `{"status":"OK","statusCode":"`...)
	dst = strconv.AppendInt(dst, int64(h.Status), 10)
	dst = append(dst, `","elapsedMs":`...)
	dst = strconv.AppendInt(dst, h.Elapsed.Milliseconds(), 10)
	dst = append(dst, `,"ssoTime":`...)
	dst = strconv.AppendInt(dst, h.SSO.Milliseconds(), 10)
	dst = append(dst, `,"source":"db","cacheKey":"`...)
	dst = hex.AppendEncode(dst, h.CacheKey[:])
	dst = jsontext.AppendStringOrNull(append(dst, `","userId":`...), h.UserID)
	dst = jsontext.AppendStringOrNull(append(dst, `,"sessionId":`...), h.SessionID)
	dst = jsontext.AppendStringOrNull(append(dst, `,"requestId":`...), h.RequestID)
	dst = jsontext.AppendStringOrNull(append(dst, `,"dataName":`...), h.DataName)
	dst = jsontext.AppendStringOrNull(append(dst, `,"method":`...), h.Method)
	dst = jsontext.AppendStringOrNull(append(dst, `,"action":`...), h.Action)
	dst = jsontext.AppendStringOrNull(append(dst, `,"appVersion":`...), h.AppVersion)
	dst = append(dst, `,"rowCount":`...)
	dst = strconv.AppendInt(dst, int64(rows), 10)
	dst = append(dst, ',')
	dst = jsontext.AppendString(dst, h.DataName)
	return append(dst, ':')
}

func appendNames(dst []byte, names []string) []byte {
	dst = append(dst, '[')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(dst, name)
	}
	return append(dst, ']')
}
