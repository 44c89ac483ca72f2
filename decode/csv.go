package decode

import (
	"bytes"
	"io"
)

// csvReader reads rows out of a window. A row without quotes and escapes is cut at
// what bytes.IndexByte finds, any other by scan (scan.go). A row of which the window
// has only a part is begun anew when the rest has come.
type csvReader struct {
	*dialect
	w     window
	skip  int64 // lines still to be passed over at the beginning
	cut   bool  // a line end is still to be passed over
	first bool  // before the first row of a file: no line end has been met
	until int64
	line  int64 // of pos; 0 if it is not known
	mark  Start // after the last row
	limit int   // of a row's length
	err   error

	fields  []Field
	rough   bool   // the row came from scan
	scratch []byte // values that are not as they are in the file

	// Where in the window the next of these bytes is, its length if there is none;
	// what is below pos has yet to be found out.
	nextQuote, nextEsc, nextCR, nextLF int
}

// NewCSV reads CSV in the given dialect from r, whose first byte is at.Offset of the
// file. At the beginning of a file it passes over a byte order mark and cfg.SkipRows
// lines.
func NewCSV(r io.Reader, cfg CSVConfig, at Start, limit Limits) Reader {
	return newCSV(r, cfg, at, limit, windowSize)
}

func newCSV(r io.Reader, cfg CSVConfig, at Start, limit Limits, size int) *csvReader {
	c := &csvReader{
		w: newWindow(r, at.Offset, size, limit), cut: at.Cut, until: at.Until, line: at.Line,
		mark: at, limit: limit.row(),
	}
	if at.Offset == 0 {
		c.first, c.skip, c.line = true, cfg.SkipRows, 1
	}
	c.forget()
	c.dialect, c.err = newDialect(cfg)
	if c.err == nil && (at.Cut || at.Until > 0) && c.overlaps() {
		c.err = errOverlap
	}
	return c
}

func (c *csvReader) Offset() int64 { return c.mark.Offset }

func (c *csvReader) Resume() Start { return c.mark }

func (c *csvReader) Next() (Row, error) {
	if c.err != nil {
		return Row{}, c.err
	}
	if c.first || c.cut {
		if c.err = c.begin(); c.err != nil {
			return Row{}, c.err
		}
	}
	for {
		if c.until > 0 && !c.first && c.w.offset()-c.look >= c.until {
			c.err = io.EOF
			return Row{}, c.err
		}
		end, width, err := c.read()
		if err != nil {
			c.err = err
			return Row{}, err
		}
		if end < 0 {
			if c.err = c.grow(); c.err != nil {
				return Row{}, c.err
			}
			continue
		}
		pos := c.w.pos
		if end-pos > c.limit {
			c.err = c.wrong(pos, -1, nil, tooLong(c.limit))
			return Row{}, c.err
		}
		row := Row{Fields: c.fields, Offset: c.w.offset(), Line: c.line}
		if c.line > 0 {
			c.line += c.within(c.w.buf[pos:end])
			if width > 0 {
				c.line++
			}
		}
		c.w.pos, c.first = end+width, false
		if len(c.fields) == 1 && blank(c.w.buf[pos:end]) {
			continue
		}
		c.mark = Start{Offset: c.w.offset(), Line: c.line, Until: c.until}
		return row, nil
	}
}

// begin passes over what stands before the first row.
func (c *csvReader) begin() error {
	if c.first {
		for len(c.w.buf) < len(bom) && c.more() {
		}
		if bytes.HasPrefix(c.w.buf, []byte(bom)) {
			c.w.pos = len(bom)
		}
	}
	for c.cut || c.skip > 0 {
		i, width := c.lineFrom(c.w.pos)
		c.w.pos = i + width
		if width == 0 {
			if ended := c.w.ended(); !c.more() && (ended || !c.w.ended()) {
				return c.w.err
			}
			continue
		}
		c.cut, c.first = false, false
		c.skip = max(c.skip-1, 0)
		if c.line > 0 {
			c.line++
		}
	}
	return nil
}

const bom = "\ufeff"

// lineFrom looks for a line end in the window from i on, whatever it stands in. Its
// width is 0 if there is none; then the place is where to go on.
func (c *csvReader) lineFrom(i int) (end, width int) {
	buf := c.w.buf
	for i < len(buf) && (c.w.ended() || i <= len(buf)-c.ahead) {
		if n := c.lineEnd(buf[i:]); n > 0 {
			return i, n
		}
		i += c.char(buf[i:])
	}
	return i, 0
}

// read finds the fields of the row at pos and where it ends. The end is -1 if the
// window has not the whole row.
func (c *csvReader) read() (end, width int, err error) {
	c.fields, c.scratch = c.fields[:0], emptied(c.scratch)
	buf, pos := c.w.buf, c.w.pos
	if pos == len(buf) {
		return -1, 0, nil
	}
	if c.plain {
		if end, width = c.find(pos); end < 0 {
			if !c.w.ended() {
				return -1, 0, nil
			}
			end = len(buf)
		}
		if c.quote >= 0 && c.nextQuote < pos {
			c.nextQuote = next(buf, pos, byte(c.quote))
		}
		if c.esc >= 0 && c.nextEsc < pos {
			c.nextEsc = next(buf, pos, byte(c.esc))
		}
		if (c.quote < 0 || c.nextQuote >= end) && (c.esc < 0 || c.nextEsc >= end) {
			c.rough = false
			return end, width, c.split(buf[pos:end])
		}
	}
	c.rough = true
	end, width, err = c.scan()
	if err == nil && end >= 0 {
		err = c.checkCut(end)
	}
	return end, width, err
}

// find returns the first line end at or after pos, -1 if there is none that is sure.
func (c *csvReader) find(pos int) (end, width int) {
	buf := c.w.buf
	switch len(c.end) {
	case 0:
	case 1:
		if i := bytes.IndexByte(buf[pos:], c.end[0]); i >= 0 {
			return pos + i, 1
		}
		return -1, 0
	default:
		if i := bytes.Index(buf[pos:], c.end); i >= 0 {
			return pos + i, len(c.end)
		}
		return -1, 0
	}
	if c.nextLF < pos {
		c.nextLF = next(buf, pos, '\n')
	}
	end = c.nextLF
	if c.nextCR < pos {
		c.nextCR = next(buf, pos, '\r')
	}
	switch {
	case c.nextCR < end-1:
		return c.nextCR, 1
	case c.nextCR < end:
		if end < len(buf) {
			return c.nextCR, 2
		}
		if !c.w.ended() {
			return -1, 0 // whether a line feed follows is yet to be seen
		}
		return c.nextCR, 1
	case end < len(buf):
		return end, 1
	}
	return -1, 0
}

// next returns where b is in buf from pos on, len(buf) if nowhere.
func next(buf []byte, pos int, b byte) int {
	if i := bytes.IndexByte(buf[pos:], b); i >= 0 {
		return pos + i
	}
	return len(buf)
}

// split cuts a row that has neither quotes nor escapes.
func (c *csvReader) split(row []byte) error {
	convert := c.conv != nil && !ascii(row)
	for last := false; !last; {
		if len(c.fields) == maxFields {
			return c.wrong(c.w.pos, -1, nil, ErrTooManyFields)
		}
		var i int
		n := len(c.term)
		if n == 1 {
			i = bytes.IndexByte(row, c.term[0])
		} else {
			i = bytes.Index(row, c.term)
		}
		value := row
		if last = i < 0; !last {
			value, row = row[:i], row[i+n:]
		}
		if convert && !ascii(value) {
			var err error
			if value, err = c.convert(value); err != nil {
				return err
			}
		}
		if c.plainNull && len(value) == len(c.null) && string(value) == c.null {
			c.fields = append(c.fields, Field{Kind: Null})
			continue
		}
		c.fields = append(c.fields, Field{Value: value})
	}
	return nil
}

// convert returns a value as utf8mb4.
func (c *csvReader) convert(value []byte) ([]byte, error) {
	from := len(c.scratch)
	var err error
	c.scratch, err = c.conv.convert(c.scratch, value)
	if err != nil {
		return nil, c.wrong(c.w.pos, len(c.fields), value, err)
	}
	return c.scratch[from:len(c.scratch):len(c.scratch)], nil
}

// within counts the line ends inside the row that read has just found.
func (c *csvReader) within(row []byte) int64 {
	if !c.rough {
		return 0
	}
	return c.lines(row)
}

// checkCut sees to it that the reader of the piece that follows, which knows nothing
// of quotes that were opened before it, begins where this row ends.
func (c *csvReader) checkCut(end int) error {
	if c.until == 0 {
		return nil
	}
	from := max(c.w.pos, int(min(c.until-c.w.off, int64(end))))
	for i := from; i < end; i += c.char(c.w.buf[i:]) {
		if n := c.lineEnd(c.w.buf[i:]); n > 0 {
			return c.wrong(i, -1, nil, ErrLineEndInField)
		}
	}
	return nil
}

// blank says whether a row of one field is a line that has nothing but white space.
func blank(row []byte) bool {
	if len(row) > 0 && row[0] > ' ' && row[0] < 0x80 {
		return false
	}
	return len(bytes.TrimSpace(row)) == 0
}

// more gets more of the file into the window.
func (c *csvReader) more() bool {
	c.forget()
	return c.w.more()
}

// forget what is known of the window: it is about to move.
func (c *csvReader) forget() { c.nextQuote, c.nextEsc, c.nextCR, c.nextLF = -1, -1, -1, -1 }

// grow gets more of a row of which the window has a part only, or says why there is
// no row.
func (c *csvReader) grow() error {
	if len(c.w.buf)-c.w.pos > c.limit+c.ahead {
		return c.wrong(c.w.pos, -1, nil, tooLong(c.limit))
	}
	if c.w.ended() && c.w.pos < len(c.w.buf) {
		return io.ErrUnexpectedEOF // cannot be: a row ends where the file does
	}
	if c.more() {
		return nil
	}
	if !c.w.ended() || c.w.pos == len(c.w.buf) {
		return c.w.err
	}
	return nil // the end is known now, and makes a row of what there is
}

// wrong is an error at byte i of the window.
func (c *csvReader) wrong(i, column int, value []byte, err error) error {
	e := &Error{Offset: c.w.off + int64(i), RowGroup: -1, Column: column, Err: err}
	if c.line > 0 {
		e.Line = c.line + c.lines(c.w.buf[c.w.pos:i])
	}
	if value != nil {
		e.Value = Shorten(value)
	}
	return e
}
