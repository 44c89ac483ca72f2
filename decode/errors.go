package decode

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// What a file can have wrong; the texts of the first four are TiDB's.
var (
	ErrUnterminatedQuote = errors.New("syntax error: unterminated quoted field")
	ErrDanglingEscape    = errors.New("syntax error: no character after backslash")
	ErrNoSeparator       = errors.New("syntax error: cannot have consecutive fields without separator")
	ErrRowTooLong        = errors.New("size of row cannot exceed the max value of txn-entry-size-limit")
	// ErrTwoTables is a file of SQL with the rows of several tables.
	ErrTwoTables = errors.New("the file's INSERT statements name two tables, and all rows of a file go into one")
	// ErrLineEndInField: a file that is read in pieces has a line end inside a field
	// just where it is cut.
	ErrLineEndInField = errors.New("a field has a line end in it, so the file cannot be split: import it without split_file")
	// errOverlap: where such line ends are cannot be said from the middle of a file.
	errOverlap = errors.New("lines_terminated_by begins as it ends, so the file cannot be split: import it without split_file")
)

// Error is something wrong in a file, with its place. It does not name the file.
type Error struct {
	Offset   int64  // byte of the unpacked file; of Parquet the row of the file, from 0
	Line     int64  // from 1; 0 if not known
	RowGroup int    // of Parquet, from 0; -1 for other formats
	Column   int    // field of the row, from 0; -1 if it is not about one
	Name     string // of the column, where the file has names
	Value    string // shortened; "" if there is none
	Err      error
}

func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.RowGroup >= 0:
		fmt.Fprintf(&b, "row group %d, row %d", e.RowGroup, e.Offset)
	case e.Line > 0:
		fmt.Fprintf(&b, "line %d (byte %d)", e.Line, e.Offset)
	default:
		fmt.Fprintf(&b, "byte %d", e.Offset)
	}
	switch {
	case e.Name != "":
		fmt.Fprintf(&b, ", column %s", e.Name)
	case e.Column >= 0:
		fmt.Fprintf(&b, ", column %d", e.Column+1)
	}
	if e.Value != "" {
		fmt.Fprintf(&b, ", value %s", e.Value)
	}
	return b.String() + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// CharsetError is bytes that the file's character set does not have: what MySQL
// calls an incorrect string value (1366).
type CharsetError struct {
	Charset string
	Bytes   string // as \xB1\xB2, six bytes at most
}

func (e *CharsetError) Error() string {
	return fmt.Sprintf("Incorrect string value '%s' in character set %s", e.Bytes, e.Charset)
}

// maxShown is how much of a value an error repeats.
const maxShown = 64

// Shorten makes a value fit for an error text: quoted, printable, at most 64
// bytes of it and three dots.
func Shorten(value []byte) string {
	cut := value
	if len(cut) > maxShown {
		cut = cut[:maxShown]
		for i := 0; i < utf8.UTFMax && len(cut) > 0 && !utf8.RuneStart(value[len(cut)]); i++ {
			cut = cut[:len(cut)-1]
		}
	}
	s := fmt.Sprintf("%q", cut)
	if len(cut) < len(value) {
		s += "..."
	}
	return s
}
