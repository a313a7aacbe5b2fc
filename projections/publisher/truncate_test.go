package publisher

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEmptyRows(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"status":"OK","dataName":"fees","rowCount":2,"fees":[{"id":"a"},{"id":"b"}],"paging":{"pageNumber":1}}`: `{"status":"OK","dataName":"fees","rowCount":2,"fees":[],"paging":{"pageNumber":1}}`,
		`{"dataName" : "fee", "fee" : {"id":"a","fee":[1]} }`:                                                     `{"dataName" : "fee", "fee" : {} }`,
	} {
		got, err := emptyRows([]byte(body))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

func TestEmptyRowsRefusesWhatIsNoEnvelope(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `[]`, `{"dataName":"fee"}`, `{"dataName":"fee","fee":`} {
		_, err := emptyRows([]byte(body))
		require.ErrorIs(t, err, errNotEnvelope, "%s", body)
	}
}
