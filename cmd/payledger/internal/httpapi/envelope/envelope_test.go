package envelope_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"payledger/cmd/payledger/internal/httpapi/envelope"
)

func head() *envelope.Head {
	return &envelope.Head{
		Status: 201, Elapsed: 126_900 * time.Microsecond, SSO: 3 * time.Millisecond, CacheKey: [32]byte{0xab}, UserID: "u", RequestID: "r",
		DataName: "fee", Method: "POST", Action: "create", AppVersion: "1.0",
	}
}

const headText = `{"status":"OK","statusCode":"201","elapsedMs":126,"ssoTime":3,"source":"db",` +
	`"cacheKey":"ab00000000000000000000000000000000000000000000000000000000000000","userId":"u","sessionId":null,"requestId":"r",` +
	`"dataName":"fee","method":"POST","action":"create","appVersion":"1.0","rowCount":`

func TestAppendOne(t *testing.T) {
	t.Parallel()
	got := envelope.AppendOne([]byte("x"), head(), func(dst []byte) []byte { return append(dst, `{"id":1}`...) })
	require.Equal(t, "x"+headText+`1,"fee":{"id":1}}`, string(got))
}

func TestAppendList(t *testing.T) {
	t.Parallel()
	row := func(dst []byte, i int) []byte { return append(dst, byte('0'+i)) }
	p := envelope.Paging{PageNumber: 2, PageRowCount: 25, TotalRowCount: 51}
	same(t, headText+`2,"fee":[0,1],"paging":{"pageNumber":2,"pageRowCount":25,"totalRowCount":51,"pageCount":3},"filters":["a","b"],"uiPermissions":[]}`,
		envelope.AppendList(nil, head(), 2, row, p, []string{"a", "b"}, nil))
	p = envelope.Paging{ByCursor: true, Next: "c"}
	same(t, headText+`0,"fee":[],"paging":{"pageNumber":0,"pageRowCount":0,"totalRowCount":0,"pageCount":0,"cursor":"c"},"filters":[],"uiPermissions":["x"]}`,
		envelope.AppendList(nil, head(), 0, row, p, nil, []string{"x"}))
}

func TestPageCount(t *testing.T) {
	t.Parallel()
	for total, want := range map[int64]int64{0: 0, 1: 1, 24: 1, 25: 1, 26: 2, 10_000: 400} {
		require.Equal(t, want, envelope.Paging{PageRowCount: 25, TotalRowCount: total}.PageCount())
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	p := &envelope.Problem{Status: 404, Code: "RecordNotFound", Message: "errMsg_RecordNotFound", At: time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)}
	same(t, `{"result":"ERR","status":404,"message":"errMsg_RecordNotFound","errCode":"RecordNotFound","date":"2026-01-02T03:04:05.006Z","detail":null}`,
		envelope.AppendError(nil, p))
	p.Detail, p.RequestID = []envelope.Part{envelope.Text("field", "a"), envelope.Number("recordVersion", 3)}, "r"
	same(t, `{"result":"ERR","status":404,"message":"errMsg_RecordNotFound","errCode":"RecordNotFound","date":"2026-01-02T03:04:05.006Z",`+
		`"detail":{"field":"a","recordVersion":3}}`, envelope.AppendError(nil, p))
	same(t, `{"type":"about:blank","title":"Not Found","status":404,"detail":"errMsg_RecordNotFound","code":"RecordNotFound",`+
		`"date":"2026-01-02T03:04:05.006Z","requestId":"r","errors":[{"field":"a","recordVersion":3}]}`, envelope.AppendProblem(nil, p))
}

// Whatever stands in it, an answer is JSON.
func TestAnswersAreJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		h := &envelope.Head{UserID: text.Draw(t, "user"), RequestID: text.Draw(t, "request"), DataName: "fee", AppVersion: text.Draw(t, "version")}
		require.True(t, json.Valid(envelope.AppendOne(nil, h, func(dst []byte) []byte { return append(dst, '1') })))
		p := &envelope.Problem{Message: text.Draw(t, "message"), Detail: []envelope.Part{envelope.Text("field", text.Draw(t, "field"))}}
		require.True(t, json.Valid(envelope.AppendError(nil, p)))
		require.True(t, json.Valid(envelope.AppendProblem(nil, p)))
	})
}

// same compares bytes: the order of keys is part of the contract.
func same(t *testing.T, want string, got []byte) {
	t.Helper()
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
