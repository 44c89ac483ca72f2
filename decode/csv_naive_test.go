package decode_test

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"dxfproxy/decode"
)

// naiveCSV reads a whole file byte by byte, as plainly as the rules can be written.
// It knows the single-byte and UTF-8 sets only. The error is one of decode's, or nil.
func naiveCSV(file []byte, cfg decode.CSVConfig) (rows [][]decode.Field, err error) {
	n := &naive{CSVConfig: cfg, data: strings.TrimPrefix(string(file), "\ufeff"), escaped: cfg.Escaped}
	if n.escaped == cfg.Enclosed {
		n.escaped = ""
	}
	for i := int64(0); i < cfg.SkipRows && n.data != ""; {
		if end := n.lineEnd(); end > 0 {
			n.data = n.data[end:]
			i++
		} else {
			n.data = n.data[1:]
		}
	}
	for n.data != "" {
		var row []decode.Field
		before := n.data
		for more := true; more; {
			field, err := n.field()
			if err != nil {
				return rows, err
			}
			row = append(row, field)
			if more = n.data != "" && n.lineEnd() == 0; more {
				n.data = n.data[len(cfg.Terminated):]
			}
		}
		line := before[:len(before)-len(n.data)]
		n.data = n.data[n.lineEnd():]
		if len(row) == 1 && strings.TrimSpace(line) == "" {
			continue
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// naive is a file that naiveCSV has begun to read.
type naive struct {
	decode.CSVConfig
	data    string // what is left of it
	escaped string // "" for none

	raw, value strings.Builder // of the field
}

func (n *naive) at(s string) bool { return s != "" && strings.HasPrefix(n.data, s) }

// lineEnd is how long the line end is that comes next, 0 if none does.
func (n *naive) lineEnd() int {
	switch {
	case n.LineEnd != "" && strings.HasPrefix(n.data, n.LineEnd):
		return len(n.LineEnd)
	case n.LineEnd != "":
		return 0
	case strings.HasPrefix(n.data, "\r\n"):
		return 2
	case strings.HasPrefix(n.data, "\r"), strings.HasPrefix(n.data, "\n"):
		return 1
	}
	return 0
}

// char takes a byte of the field, or two that stand for one.
func (n *naive) char() error {
	if n.at(n.escaped) {
		if len(n.data) == 1 {
			return decode.ErrDanglingEscape
		}
		n.raw.WriteString(n.data[:2])
		c := n.data[1]
		if i := strings.IndexByte("0bnrtZ", c); i >= 0 {
			c = "\x00\b\n\r\t\x1a"[i]
		}
		n.value.WriteByte(c)
		n.data = n.data[2:]
		return nil
	}
	n.raw.WriteByte(n.data[0])
	n.value.WriteByte(n.data[0])
	n.data = n.data[1:]
	return nil
}

// field takes a field, up to what ends it.
func (n *naive) field() (decode.Field, error) {
	n.raw.Reset()
	n.value.Reset()
	quoted := n.at(n.Enclosed) && n.lineEnd() == 0 && !n.at(n.Terminated)
	take := n.bare
	if quoted {
		take = n.quoted
	}
	if err := take(); err != nil {
		return decode.Field{}, err
	}
	if n.escaped != "" && n.Null == n.escaped+"N" {
		if n.raw.String() == n.Null {
			return decode.Field{Kind: decode.Null}, nil
		}
	} else if n.value.String() == n.Null && (!quoted || n.Null != "") {
		return decode.Field{Kind: decode.Null}, nil
	}
	return decode.Field{Value: []byte(n.value.String())}, nil
}

// quoted takes what stands in quotes, which may be doubled in it.
func (n *naive) quoted() error {
	for n.data = n.data[1:]; ; {
		if n.data == "" {
			return decode.ErrUnterminatedQuote
		}
		if n.at(n.Enclosed) {
			n.data = n.data[1:]
			if !n.at(n.Enclosed) {
				break
			}
			n.raw.WriteString(n.Enclosed)
			n.value.WriteString(n.Enclosed)
			n.data = n.data[1:]
			continue
		}
		if err := n.char(); err != nil {
			return err
		}
	}
	if n.data != "" && n.lineEnd() == 0 && !n.at(n.Terminated) {
		return decode.ErrNoSeparator
	}
	return nil
}

func (n *naive) bare() error {
	for n.data != "" && n.lineEnd() == 0 && !n.at(n.Terminated) {
		if n.at(n.Enclosed) {
			return decode.ErrNoSeparator
		}
		if err := n.char(); err != nil {
			return err
		}
	}
	return nil
}

// copyRow is a row that outlives the next.
func copyRow(row decode.Row) []decode.Field {
	fields := make([]decode.Field, len(row.Fields))
	for i, f := range row.Fields {
		fields[i] = decode.Field{Kind: f.Kind, Value: bytes.Clone(f.Value)}
		if f.Kind != decode.Null && f.Value == nil {
			fields[i].Value = []byte{}
		}
	}
	return fields
}

// readAll returns the rows before the error, which is nil at the end of the file.
func readAll(r decode.Reader) (rows [][]decode.Field, err error) {
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, copyRow(row))
	}
}
