package importinto

import (
	"fmt"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// wallClock writes an instant, which is given in UTC, as the clock in the target's zone
// shows it.
func (t *target) wallClock(value []byte) ([]byte, error) {
	if t.zone == nil {
		return value, nil
	}
	at, err := time.Parse(instantFormat, string(value))
	if err != nil { // of a year that servers do not have
		return value, nil //nolint:nilerr // they will say so
	}
	at = at.In(t.zone)
	text := at.AppendFormat(make([]byte, 0, len(instantFormat)), instantFormat)
	if t.once && twice(at) {
		return nil, &dxf.Error{Code: server.ErrTruncatedWrongValue, State: "22007", Message: fmt.Sprintf(
			"Incorrect datetime value: '%sZ' for column '%s': time zone %s shows this hour twice. SET time_zone = '+00:00' before IMPORT INTO",
			value, t.label(), t.zone)}
	}
	return text, nil
}

const instantFormat = "2006-01-02 15:04:05.999999"

// twice says whether the clock shows the same time at another instant, too: the hour
// before and the hour behind the one when it is put back.
func twice(at time.Time) bool {
	from, to := at.ZoneBounds()
	_, offset := at.Zone()
	if !from.IsZero() {
		_, before := from.Add(-1).Zone()
		if back := before - offset; back > 0 && at.Sub(from) < time.Duration(back)*time.Second {
			return true
		}
	}
	if !to.IsZero() {
		_, behind := to.Zone()
		if back := offset - behind; back > 0 && to.Sub(at) <= time.Duration(back)*time.Second {
			return true
		}
	}
	return false
}
