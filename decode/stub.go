package decode

import (
	"errors"
	"io"
	"time"
)

var errNotYet = errors.New("not written yet")

type stub struct{ at Start }

func (s stub) Next() (Row, error) { return Row{}, errNotYet }
func (s stub) Offset() int64      { return s.at.Offset }
func (s stub) Resume() Start      { return s.at }

// NewParquet reads the rows of a Parquet file of size bytes from row at.Offset on.
// Instants are written as wall clock time in zone.
func NewParquet(ra io.ReaderAt, size int64, at Start, zone *time.Location) (Reader, error) {
	return stub{at}, nil
}
