package decode

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// parquetReader goes through the columns of a file side by side, a page of each in memory.
type parquetReader struct {
	file    *parquet.File
	plain   *plainFile // what file is read from
	limit   int        // of a row's length
	columns []*parquetColumn
	names   []string // of the columns
	group   int      // the row group that the columns are in
	left    int64    // rows of it still to come
	row     int64    // of the file
	err     error
	fields  []Field
	scratch []byte
}

// parquetColumn is one column, and the values of its page that have been unpacked.
type parquetColumn struct {
	name    string
	convert converter
	pages   parquet.Pages
	page    parquet.Page
	reader  parquet.ValueReader
	values  [128]parquet.Value
	n, next int // values[next:n] are still to come
}

// parquetBuffer is what is read of a column chunk at once; with object storage each
// read is a request. plainBuffer is what the library reads of that, but for pages.
const (
	parquetBuffer = 256 << 10
	plainBuffer   = 4 << 10
)

// NewParquet reads the rows of a Parquet file of size bytes from row at.Offset on.
// Instants are times that the file says are adjusted to UTC, and INT96; nanoseconds are
// cut to microseconds. An error says that the file is not Parquet, or has columns that
// are no plain values.
// The Reader is to be closed, as an io.Closer, if it is left before its end.
func NewParquet(ra io.ReaderAt, size int64, at Start, limit Limits) (r Reader, err error) {
	defer recovered(&err)
	plain, err := newPlainFile(ra, size, limit)
	if err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(
		plain, plain.size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(plainBuffer),
	)
	if err != nil {
		return nil, fmt.Errorf("open parquet: %w", err)
	}
	old := plain.meta.calendars()
	p := &parquetReader{file: f, plain: plain, group: -1, row: at.Offset, limit: limit.row()}
	for i, c := range f.Root().Columns() { // in the order of the elements, which are all leaves
		convert, err := newConverter(c.Type(), plain.meta.Schema[i+1], old)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name(), err)
		}
		p.columns = append(p.columns, &parquetColumn{name: c.Name(), convert: convert})
		p.names = append(p.names, c.Name())
	}
	if len(p.columns) == 0 {
		return nil, errors.New("open parquet: the file has no columns")
	}
	return p, p.seek()
}

// recovered makes an error of what the library panics with on some broken files.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the file is broken: %v", r)
	}
}

// seek goes to the row group that has row p.row, and to that row in it.
func (p *parquetReader) seek() error {
	before := int64(0)
	for i, g := range p.file.RowGroups() {
		if p.row < before+g.NumRows() {
			return p.open(i, p.row-before)
		}
		before += g.NumRows()
	}
	p.group = len(p.file.RowGroups())
	return nil
}

// open begins with a row of row group i.
func (p *parquetReader) open(i int, row int64) error {
	g := p.file.RowGroups()[i]
	p.group, p.left = i, g.NumRows()-row
	for _, c := range p.columns {
		c.close()
	}
	p.plain.begin()
	for j, c := range p.columns {
		c.pages = g.ColumnChunks()[j].Pages()
		if row > 0 {
			if err := c.pages.SeekToRow(row); err != nil {
				return p.wrong(c, nil, err)
			}
		}
	}
	return nil
}

func (p *parquetReader) Offset() int64 { return p.row }

func (p *parquetReader) Resume() Start { return Start{Offset: p.row} }

// Close gives back what the reader holds.
func (p *parquetReader) Close() error {
	for _, c := range p.columns {
		c.close()
	}
	if p.err == nil {
		p.err = io.ErrClosedPipe
	}
	return nil
}

func (p *parquetReader) Next() (Row, error) {
	if p.err == nil {
		p.err = p.read()
	}
	if p.err != nil {
		for _, c := range p.columns {
			c.close()
		}
		return Row{}, p.err
	}
	p.row++
	p.left--
	return Row{Fields: p.fields, Columns: p.names, Offset: p.row - 1}, nil
}

// read reads the row at p.row.
func (p *parquetReader) read() (err error) {
	defer recovered(&err)
	for p.left == 0 {
		if p.group+1 >= len(p.file.RowGroups()) {
			return io.EOF
		}
		if err := p.open(p.group+1, 0); err != nil {
			return err
		}
	}
	p.fields, p.scratch = p.fields[:0], emptied(p.scratch)
	length := 0
	for _, c := range p.columns {
		if c.next == c.n {
			if err := c.fill(); err != nil {
				if errors.Is(err, io.EOF) {
					err = errors.New("the column has fewer values than the row group has rows")
				}
				return p.wrong(c, nil, err)
			}
		}
		v := &c.values[c.next]
		c.next++
		if v.IsNull() {
			p.fields = append(p.fields, Field{Kind: Null})
			continue
		}
		from := len(p.scratch)
		kind, value, err := c.convert(p.scratch, v)
		if err != nil {
			return p.wrong(c, []byte(v.String()), err)
		}
		if value == nil {
			value = v.ByteArray() // as it lies in the page
			if value == nil {
				value = []byte{}
			}
		} else {
			p.scratch = value
			value = value[from:len(value):len(value)]
		}
		if length += len(value); length > p.limit {
			return p.wrong(c, nil, tooLong(p.limit))
		}
		p.fields = append(p.fields, Field{Kind: kind, Value: value})
	}
	return nil
}

func (p *parquetReader) wrong(c *parquetColumn, value []byte, err error) error {
	e := &Error{Offset: p.row, RowGroup: p.group, Column: -1, Name: c.name, Err: err}
	if value != nil {
		e.Value = Shorten(value)
	}
	return e
}

// fill unpacks further values, of the next page if need be.
func (c *parquetColumn) fill() error {
	c.n, c.next = 0, 0
	for {
		if c.reader != nil {
			n, err := c.reader.ReadValues(c.values[:])
			if n > 0 {
				c.n = n
				return nil
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			c.reader = nil
		}
		c.release()
		page, err := c.pages.ReadPage()
		if err != nil {
			return err
		}
		c.page, c.reader = page, page.Values()
	}
}

func (c *parquetColumn) release() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page, c.reader = nil, nil
	}
}

func (c *parquetColumn) close() {
	c.release()
	c.n, c.next = 0, 0
	if c.pages != nil {
		_ = c.pages.Close() // only read
		c.pages = nil
	}
}
