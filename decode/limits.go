package decode

import "fmt"

// Limits bound what a Reader holds in memory, whatever the file says of itself.
type Limits struct {
	// Row is the longest row, in bytes; a page of Parquet may have twice as many. 0 is MaxRow.
	Row int
	// Hold is asked before a Reader holds so many bytes in all, and may make it wait or
	// refuse; after a smaller number it holds less. It is not asked about less than a
	// MiB. nil: no more than the other limits.
	Hold func(bytes int64) error
}

// MaxRow is the longest row where nobody says less, in bytes: TiDB's limit of a
// transaction entry.
const MaxRow = 120 << 20

// maxFields is how many fields a row may have: four times the columns that the widest
// table has. A field of nothing but its comma takes 40 bytes.
const maxFields = 4 * 4096

// ErrTooManyFields is a row that no table has the columns for.
var ErrTooManyFields = fmt.Errorf("a row has more than %d fields", maxFields)

// tooLong is ErrRowTooLong for a limit.
func tooLong(limit int) error {
	return fmt.Errorf("%w: %d bytes here, see --import-max-row", ErrRowTooLong, limit)
}

func (l Limits) row() int {
	if l.Row <= 0 || l.Row > MaxRow {
		return MaxRow
	}
	return l.Row
}

// freely is what a Reader holds without asking.
const freely = 1 << 20

// hold asks for a number of bytes.
func (l Limits) hold(bytes int64) error {
	if l.Hold == nil || bytes <= freely {
		return nil
	}
	return l.Hold(bytes)
}

// emptied is a buffer to be filled anew, without what a very long row has needed.
func emptied(buf []byte) []byte {
	if cap(buf) > freely {
		return nil
	}
	return buf[:0]
}
