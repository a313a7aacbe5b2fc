package httpapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"payledger/audit"
)

// headerReportID names the stored report that a file was made of.
const headerReportID = "Report-Id"

// file is an answer that is too large for memory: it lies in a file without a name until it is sent.
type file struct {
	*os.File
	size            int64
	mediaType, name string
	reportID        string
}

// auditFile is GET /audit/files/{kind}. The rows go to a file first: so a fault is answered as one, and what was sent is what was
// stored.
func auditFile(c *call) (*answer, error) {
	format := audit.CSV
	if c.query.Has("format") {
		format = audit.Format(c.query.Choice("format", audit.Formats()...))
	}
	kind, p, err := c.reportParams()
	if err != nil {
		return nil, err
	}
	spool, err := os.CreateTemp("", "payledger-report-")
	if err != nil {
		return nil, fmt.Errorf("make a file: %w", err)
	}
	if err = os.Remove(spool.Name()); err == nil {
		var report audit.Report
		if report, err = c.export(format, kind, p, spool); err == nil {
			var size int64
			if size, err = spool.Seek(0, io.SeekEnd); err == nil {
				return &answer{status: http.StatusOK, position: p.KnownAt, file: &file{
					File: spool, size: size, mediaType: format.MediaType(), name: report.Kind + "-" + report.ID + "." + string(format), reportID: report.ID,
				}}, nil
			}
		}
	}
	return nil, errors.Join(err, spool.Close())
}

// export makes and stores a report.
func (c *call) export(format audit.Format, kind audit.Kind, p audit.Params, to io.Writer) (audit.Report, error) {
	out, err := audit.NewExporter(format, kind, to)
	if err != nil {
		return audit.Report{}, err
	}
	report, err := c.api.audit.Make(c.context(), p, out.Row)
	if err != nil {
		return report, err
	}
	if report.ID, _, err = c.api.keeper.Report(c.context(), c.asks(), report); err != nil {
		return report, err
	}
	return report, out.Close(report)
}

// send answers with a file, and closes it.
func (c *call) send(w http.ResponseWriter, f *file) {
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
	h.Set("Content-Length", strconv.FormatInt(f.size, 10))
	h.Set(headerReportID, f.reportID)
	w.WriteHeader(http.StatusOK)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return // the length that was promised tells the client
	}
	_, _ = io.Copy(w, f) // the client is gone: there is nobody to tell
}

// discard closes the file of an answer that doesn't go out.
func (ans *answer) discard(err error) error {
	if ans.file != nil {
		err = errors.Join(err, ans.file.Close())
	}
	return err
}

// slowTimeout bounds the work on a question that reads the whole log, and the sending of its answer.
const slowTimeout = 15 * time.Minute

// maxSlow bounds how many such questions are worked on at the same time.
const maxSlow = 2

// timeout is how long a request may take. A slow one may also take as long to be sent.
func (a *API) timeout(rt *route, w http.ResponseWriter) time.Duration {
	if !rt.slow {
		return requestTimeout
	}
	_ = http.NewResponseController(w).SetWriteDeadline(a.now().Add(2 * slowTimeout)) // a recorder of tests has none
	return slowTimeout
}
