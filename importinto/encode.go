package importinto

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/server"
)

// A chunk is rows in the form that LOAD DATA reads: fields end with a tab, rows with
// a line feed, a backslash escapes, \N is NULL.
type chunk struct {
	data   []byte
	rows   []rowAt
	layout *layout
	zone   string // time_zone of its rows
	needs  bool   // a row needs a number for the AUTO_INCREMENT column
	files  []fileAt
	next   point
	bytes  int64 // of the source that are read then

	// Closed when the chunk in front has begun to be loaded, and when it is committed.
	afterBegun, after <-chan struct{}
	begun, done       chan struct{} // the same of this one
}

// fileAt is the file of the rows from one on.
type fileAt struct {
	row  int
	path string
}

// rowAt is where a row is.
type rowAt struct {
	at     int // in the chunk's data
	offset int64
	line   int64 // 0 if it is not known
}

func (c *chunk) reset() {
	c.data, c.rows, c.layout, c.needs = c.data[:0], c.rows[:0], nil, false
	c.files = c.files[:0]
}

// file says that the rows to come are of this file.
func (c *chunk) file(path string) { c.files = append(c.files, fileAt{len(c.rows), path}) }

// path is the file of a row.
func (c *chunk) path(row int) (path string) {
	for _, f := range c.files {
		if f.row <= row {
			path = f.path
		}
	}
	return path
}

// row is one row of the chunk's data, without the line feed.
func (c *chunk) row(i int) []byte {
	end := len(c.data)
	if i+1 < len(c.rows) {
		end = c.rows[i+1].at
	}
	return c.data[c.rows[i].at : end-1]
}

// add writes a row. On an error nothing of it is in the chunk.
func (c *chunk) add(row decode.Row) error {
	at, data := len(c.data), c.data
	if c.layout.ragged {
		data = strconv.AppendInt(data, int64(len(row.Fields)), 10)
		data = append(data, '\t')
	}
	first := true
	for i := range c.layout.targets {
		t := &c.layout.targets[i]
		if t.nowhere() {
			continue
		}
		if !first {
			data = append(data, '\t')
		}
		first = false
		if i >= len(row.Fields) {
			if t.column != nil && t.column.missing == "" {
				c.data = data[:at]
				return &dxf.Error{Code: server.ErrNoDefaultForField, State: "HY000",
					Message: fmt.Sprintf("Field '%s' doesn't have a default value", t.column.Name)}
			}
			data = append(data, '\\', 'N')
			continue
		}
		var err error
		if data, err = t.append(data, row.Fields[i]); err != nil {
			c.data = data[:at]
			return err
		}
	}
	c.needs = c.needs || !c.layout.hasNumber(row)
	c.data = append(data, '\n')
	c.rows = append(c.rows, rowAt{at: at, offset: row.Offset, line: row.Line})
	return nil
}

// label names the target for people.
func (t *target) label() string {
	if t.column != nil {
		return t.column.Name
	}
	return "@" + t.name
}

// incorrectString is MySQL's 1366 with the first bytes that are no UTF-8.
func incorrectString(value []byte, column string) *dxf.Error {
	i := 0
	for i < len(value) {
		r, n := utf8.DecodeRune(value[i:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		i += n
	}
	text := ""
	for _, b := range value[i:min(i+6, len(value))] {
		if b > ' ' && b < 0x7f {
			text += string(rune(b))
		} else {
			text += fmt.Sprintf(`\x%02X`, b)
		}
	}
	return &dxf.Error{Code: server.ErrTruncatedWrongValueForField, State: "HY000",
		Message: fmt.Sprintf("Incorrect string value '%s' for column '%s'", text, column)}
}

// ascii says whether all bytes are ASCII.
func ascii(data []byte) bool {
	var seen byte
	for _, b := range data {
		seen |= b
	}
	return seen < utf8.RuneSelf
}

// escapes are the bytes that mean something in the stream.
var escapes = [256]byte{'\\': '\\', '\t': 't', '\n': 'n', '\r': 'r', 0: '0'}

// special marks them; zero is one although its letter is looked up.
var special = [256]bool{'\\': true, '\t': true, '\n': true, '\r': true, 0: true}

func escape(data, value []byte) []byte {
	from := 0
	for i, b := range value {
		if special[b] {
			data = append(data, value[from:i]...)
			data = append(data, '\\', escapes[b])
			from = i + 1
		}
	}
	return append(data, value[from:]...)
}

// unescape is the inverse; null for \N.
func unescape(field []byte) (value []byte, null bool) {
	if string(field) == `\N` {
		return nil, true
	}
	value = make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		b := field[i]
		if b == '\\' && i+1 < len(field) {
			i++
			switch b = field[i]; b {
			case 't':
				b = '\t'
			case 'n':
				b = '\n'
			case 'r':
				b = '\r'
			case '0':
				b = 0
			}
		}
		value = append(value, b)
	}
	return value, false
}
