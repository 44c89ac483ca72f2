package decode

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// dialect is a dxf.CSVConfig made ready for the scanner.
type dialect struct {
	term    []byte // between fields, in the file's character set
	end     []byte // of a line; empty for LF, CR or CR LF
	quote   int    // the enclosing byte, -1 for none
	esc     int    // the escaping byte, -1 for none
	null    string
	conv    *charset // nil: taken as it is
	escNull bool     // NULL is the escape and N, looked for before anything is unescaped
	// plainNull: a line without quotes and escapes can have NULL in it.
	plainNull bool
	// special are the bytes at which a scan of an unquoted field has to stop and look.
	special [256]bool
	inQuote [256]bool // likewise within quotes
	// plain: what looks like a line end is one, unless it is quoted or escaped. It is not
	// where its bytes can be a part of another character, or of a separator.
	plain bool
	// mixed: a separator or a line end begins with the quote, and is seen before it.
	mixed bool
	ahead int // how many bytes a decision may have to see
	// look is how far before the beginning of a row its line end may begin: see csvReader.ours.
	look int64
}

func newDialect(cfg CSVConfig) (*dialect, error) {
	conv, err := newCharset(cfg.Charset)
	if err != nil {
		return nil, err
	}
	d := &dialect{quote: -1, esc: -1, null: cfg.Null, conv: conv}
	term, end := cfg.Terminated, cfg.LineEnd
	if conv != nil {
		if term, err = conv.encode(term); err != nil {
			return nil, fmt.Errorf("fields_terminated_by: %w", err)
		}
		if end, err = conv.encode(end); err != nil {
			return nil, fmt.Errorf("lines_terminated_by: %w", err)
		}
	}
	if term == "" {
		return nil, errors.New("fields_terminated_by is empty")
	}
	if len(cfg.Enclosed) > 1 || len(cfg.Escaped) > 1 {
		return nil, errors.New("fields_enclosed_by and fields_escaped_by have one byte at most")
	}
	d.term, d.end = []byte(term), []byte(end)
	if cfg.Enclosed != "" {
		d.quote = int(cfg.Enclosed[0])
	}
	// Where both are the same byte, doubling it is the only way to have it in a field.
	if cfg.Escaped != "" && cfg.Escaped != cfg.Enclosed {
		d.esc = int(cfg.Escaped[0])
	}
	d.escNull = d.esc >= 0 && d.null == cfg.Escaped+"N"
	d.plainNull = d.esc < 0 || bytes.IndexByte([]byte(d.null), byte(d.esc)) < 0

	d.special[d.term[0]] = true
	if end == "" {
		d.special['\n'], d.special['\r'] = true, true
	} else {
		d.special[d.end[0]] = true
	}
	for _, b := range []int{d.quote, d.esc} {
		if b >= 0 {
			d.special[b], d.inQuote[b] = true, true
		}
	}
	d.mixed = int(d.term[0]) == d.quote || end != "" && int(d.end[0]) == d.quote
	d.ahead = max(len(d.term), len(d.end), 2)
	d.look = int64(max(len(d.end), 1))
	d.plain = end != "" || !strings.ContainsAny(term, "\r\n")
	for i := 1; i < len(term); i++ {
		if strings.HasPrefix(end, term[i:]) || end != "" && strings.HasPrefix(term[i:], end) {
			d.plain = false
		}
	}
	if conv != nil && conv.length != nil {
		for b := 0x80; b <= 0xff; b++ {
			d.special[b], d.inQuote[b] = true, true
		}
		d.ahead += 4
		// 0x30 to 0x39 can be the second and fourth, from 0x40 on the second byte of a character.
		for _, b := range append(append([]byte{}, d.term...), d.end...) {
			d.plain = d.plain && b < 0x30
		}
		d.plain = d.plain && d.quote < 0x30
	}
	return d, nil
}

// overlaps says whether a line end can begin within another, so that where lines
// end depends on where one begins to look.
func (d *dialect) overlaps() bool {
	for i := 1; i < len(d.end); i++ {
		if bytes.HasPrefix(d.end, d.end[i:]) {
			return true
		}
	}
	return false
}

// lineEnd returns how many bytes the line end at b has, 0 if there is none.
func (d *dialect) lineEnd(b []byte) int {
	switch {
	case len(d.end) > 0:
		if bytes.HasPrefix(b, d.end) {
			return len(d.end)
		}
	case len(b) == 0:
	case b[0] == '\n':
		return 1
	case b[0] == '\r':
		if len(b) > 1 && b[1] == '\n' {
			return 2
		}
		return 1
	}
	return 0
}

// lines counts the line ends in b.
func (d *dialect) lines(b []byte) int64 {
	if len(d.end) > 0 {
		return int64(bytes.Count(b, d.end))
	}
	n := bytes.Count(b, []byte{'\n'})
	if cr := bytes.Count(b, []byte{'\r'}); cr > 0 {
		n += cr - bytes.Count(b, []byte("\r\n"))
	}
	return int64(n)
}

// char returns how many bytes the character at b has.
func (d *dialect) char(b []byte) int {
	if d.conv == nil || d.conv.length == nil {
		return 1
	}
	return d.conv.length(b)
}

// unescaped are the bytes that stand for others after the escape.
var unescaped = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	t['0'], t['b'], t['n'], t['r'], t['t'], t['Z'] = 0, '\b', '\n', '\r', '\t', 0x1a
	return t
}()

// cook appends the content of a field without its escapes and doubled quotes.
func (d *dialect) cook(dst, content []byte) []byte {
	for i := 0; i < len(content); i++ {
		b := content[i]
		switch {
		case int(b) == d.quote:
			i++ // what is in a field undoubled does not come here
		case int(b) == d.esc && i+1 < len(content):
			i++
			b = unescaped[content[i]]
		}
		dst = append(dst, b)
	}
	return dst
}
