package decode

import (
	"io"
)

// NewSmallCSV is NewCSV with a window of size bytes at first, so that rows do not fit
// into it, and with another limit of a row's length if that is not 0.
func NewSmallCSV(r io.Reader, cfg CSVConfig, at Start, size, limit int) Reader {
	c := newCSV(r, cfg, at, Limits{}, size)
	if limit > 0 {
		c.limit = limit
	}
	return c
}

// NewSmallSQL is to NewSQL what NewSmallCSV is to NewCSV.
func NewSmallSQL(r io.Reader, at Start, size, limit int) Reader {
	s := newSQL(r, at, Server{}, Limits{}, size)
	if limit > 0 {
		s.limit = limit
	}
	return s
}
