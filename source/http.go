package source

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// statusKind is what an HTTP status means to us; nil for what may pass.
func statusKind(status int) error {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return errDenied
	case status == http.StatusNotFound, status == http.StatusGone:
		return errMissing
	case status == http.StatusPreconditionFailed:
		return errChanged
	case status == http.StatusRequestedRangeNotSatisfiable:
		return errRange
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return nil
	case status >= 300 && status < 500:
		return errRefused
	}
	return nil
}

// byteRange is the header Range (RFC 9110, 14.2) for length bytes at offset;
// empty for a whole file.
func byteRange(offset, length int64) string {
	switch {
	case length >= 0:
		return fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)
	case offset > 0:
		return fmt.Sprintf("bytes=%d-", offset)
	}
	return ""
}

// wholeSize is the size of the object of which an answer holds a part, from its
// header Content-Range (RFC 9110, 14.4). An answer that does not begin where we
// asked would be taken for other bytes of the file.
func wholeSize(asked bool, contentRange string, offset, contentLength int64) (int64, error) {
	if !asked {
		return contentLength, nil
	}
	unexpected := &storeError{kind: errRefused, text: fmt.Sprintf("asked for bytes from %d on, got the range %q", offset, contentRange)}
	part, total, ok := strings.Cut(strings.TrimPrefix(contentRange, "bytes "), "/")
	first, _, dash := strings.Cut(part, "-")
	if !ok || !dash || first != strconv.FormatInt(offset, 10) {
		return 0, unexpected
	}
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil || size < offset {
		return 0, unexpected
	}
	return size, nil
}
