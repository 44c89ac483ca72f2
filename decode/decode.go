// Package decode turns the bytes of a source file of IMPORT INTO into rows:
// CSV in every dialect of the statement's options, SQL as dump tools write it,
// and Parquet. It knows no table: a field is text, a number, bytes or NULL, and
// what that means in a column is the server's to say.
//
// A Reader can be left after any row and gone on with by another, elsewhere:
// Resume says what the other needs to know.
package decode

// Kind says how a field was written.
type Kind uint8

// Kinds of fields.
const (
	Text   Kind = iota // a CSV field, a quoted string, any Parquet value that is no number
	Number             // a number without quotes: SQL, Parquet
	Bytes              // a binary literal of SQL: 0x.., b'..', 0b.., x'..': a number where one is wanted
	Octets             // a string of bytes of SQL: _binary '..', and x'..' of MariaDB
	Null               // NULL; Value is nil
	// Of Parquet alone. What the value is as text or as a number depends on where it goes.
	Instant // a point in time: as it is written in UTC, 2026-10-25 00:30:00.5
	Float   // a number of 32 bits: its exact value, which a text would have shorter
	UUID    // its 16 bytes
)

// Field is one value of a row.
type Field struct {
	Kind Kind
	// Value is unescaped, and utf8mb4 where the file's character set is known. It is
	// valid until the next call of Next. Numbers are as written.
	Value []byte
}

// Row is a row of a file. All of it is valid until the next call of Next.
type Row struct {
	Fields []Field
	// Columns is the column list of the INSERT that the row is from, unquoted, nil
	// if it has none, or the columns of the Parquet file; of CSV nil. Not to be written to.
	Columns []string
	// Offset is where the row begins: a byte of the unpacked file, of Parquet a row
	// of the file, both counted from 0.
	Offset int64
	// Line is the line of that byte, from 1; 0 if it is not known (a piece of a split
	// file), and of Parquet.
	Line int64
	// TimeZone and Names are what the file has set (SET TIME_ZONE, SET NAMES) where
	// the row stands; "" where it has said nothing. Dump tools write TIMESTAMP in
	// UTC after SET TIME_ZONE='+00:00', and raw bytes of every column's own character
	// set after SET NAMES binary. SQL only.
	TimeZone string
	Names    string
}

// Reader gives the rows of a file in order.
type Reader interface {
	// Next returns the next row, io.EOF after the last, an *Error for what the file
	// has wrong, else the error of the reader below. Errors stay.
	Next() (Row, error)
	// Offset is just after the last row returned: where a new Reader can begin.
	Offset() int64
	// Resume is the Start of a Reader that gives exactly the rows after the last
	// one returned. Its Offset is Offset().
	Resume() Start
}

// Start says where a Reader begins, and what it has to know of what came before.
// The zero value is the start of a file. It is kept in checkpoints as JSON.
type Start struct {
	// Offset of the first byte that the reader below will give; of Parquet the first row.
	Offset int64 `json:"offset,omitempty"`
	// Line of that byte; 0 at the start of a file for 1, elsewhere for not known.
	Line int64 `json:"line,omitempty"`
	// Cut says that Offset is an arbitrary place of a split file, and not the
	// beginning of a row: the rows begin after the first line end at or after it. CSV only.
	Cut bool `json:"cut,omitempty"`
	// Until is the Offset of the piece that follows in a split file, 0 for the end of
	// the file. The piece holds the rows up to the first line end at or after Until,
	// wherever it is, so the reader below must not end there. CSV only.
	Until int64 `json:"until,omitempty"`

	// Of SQL: Offset is between two rows of an INSERT with this column list.
	InValues bool     `json:"in_values,omitempty"`
	Columns  []string `json:"columns,omitempty"`
	// Table is the one that the statements before Offset name, without its schema.
	Table string `json:"table,omitempty"`
	// What the statements before Offset have set.
	Delimiter   string `json:"delimiter,omitempty"` // "" for ;
	TimeZone    string `json:"time_zone,omitempty"`
	Names       string `json:"names,omitempty"`
	NoBackslash bool   `json:"no_backslash,omitempty"` // sql_mode NO_BACKSLASH_ESCAPES
}
