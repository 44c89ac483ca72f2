package decode

import (
	"strconv"
	"strings"
	"time"
)

// calendars says which values of a Parquet file are days of the calendar that was in
// use then, the Julian one before 15 October 1582, as Spark 2 has written them.
// Everybody else's are of the Gregorian calendar, as the format wants it, and as
// servers know no other.
type calendars struct{ dates, int96 bool }

// calendars finds out who has written the file, and how. See DataSourceUtils of
// apache/spark: whoever has written its version has version 3 at least (2.4.6 too), or
// leaves a mark where it keeps to the old ways.
func (f *parquetFooter) calendars() (c calendars) {
	const spark = "org.apache.spark."
	version, schema := "", false
	for _, kv := range f.KeyValues {
		switch kv.Key {
		case spark + "legacyDateTime":
			c.dates = true
		case spark + "legacyINT96":
			c.int96 = true
		case spark + "version":
			version = kv.Value
		case spark + "sql.parquet.row.metadata":
			schema = true
		}
	}
	switch {
	case version != "":
		c.dates = c.dates || older(version, 3, 0)
		c.int96 = c.int96 || older(version, 3, 1)
	case schema: // Spark 2 and its ancestors said no more
		c.dates, c.int96 = true, true
	}
	return c
}

// older says whether a version is before major.minor.
func older(version string, major, minor int) bool {
	var n [2]int
	for i, text := range strings.SplitN(version, ".", 3) {
		if i < len(n) {
			n[i], _ = strconv.Atoi(text)
		}
	}
	return n[0] < major || n[0] == major && n[1] < minor
}

// gregorianDay is the first day of the Gregorian calendar, 15 October 1582, in days from 1970.
const gregorianDay = -141427

// gregorian is the time that is called in the Gregorian calendar, extended to all
// times, as t is called in that of its days. What was 29 February of a year that is
// now none of its leap years becomes 1 March.
func gregorian(t time.Time) time.Time {
	days := floorDiv(t.Unix(), day)
	if days >= gregorianDay {
		return t
	}
	// The day's name in the Julian calendar: the algorithm of E. G. Richards, with
	// March for the first month, so that a leap day is the last of its year.
	const epoch = 719470 // 1 January 1970 in days from 1 March of the Julian year 0
	n := days + epoch
	year := floorDiv(4*n+3, 1461)
	inYear := n - floorDiv(1461*year, 4)
	month := (5*inYear + 2) / 153
	date := inYear - (153*month+2)/5
	month += 3
	clock := time.Duration(t.Unix()-days*day)*time.Second + time.Duration(t.Nanosecond())
	return time.Date(int(year), time.Month(month), int(date)+1, 0, 0, 0, 0, time.UTC).Add(clock)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
