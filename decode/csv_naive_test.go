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
	data := strings.TrimPrefix(string(file), "\ufeff")
	lineEnd := func() int {
		switch {
		case cfg.LineEnd != "" && strings.HasPrefix(data, cfg.LineEnd):
			return len(cfg.LineEnd)
		case cfg.LineEnd != "":
			return 0
		case strings.HasPrefix(data, "\r\n"):
			return 2
		case strings.HasPrefix(data, "\r"), strings.HasPrefix(data, "\n"):
			return 1
		}
		return 0
	}
	for i := int64(0); i < cfg.SkipRows && data != ""; {
		if n := lineEnd(); n > 0 {
			data = data[n:]
			i++
		} else {
			data = data[1:]
		}
	}
	escaped := cfg.Escaped
	if escaped == cfg.Enclosed {
		escaped = ""
	}
	at := func(s string) bool { return s != "" && strings.HasPrefix(data, s) }
	for data != "" {
		var row []decode.Field
		before := data
		for more := true; more; {
			var raw, value strings.Builder
			char := func() error {
				if at(escaped) {
					if len(data) == 1 {
						return decode.ErrDanglingEscape
					}
					raw.WriteString(data[:2])
					c := data[1]
					if i := strings.IndexByte("0bnrtZ", c); i >= 0 {
						c = "\x00\b\n\r\t\x1a"[i]
					}
					value.WriteByte(c)
					data = data[2:]
					return nil
				}
				raw.WriteByte(data[0])
				value.WriteByte(data[0])
				data = data[1:]
				return nil
			}
			quoted := at(cfg.Enclosed) && lineEnd() == 0 && !at(cfg.Terminated)
			if quoted {
				for data = data[1:]; ; {
					if data == "" {
						return rows, decode.ErrUnterminatedQuote
					}
					if at(cfg.Enclosed) {
						data = data[1:]
						if !at(cfg.Enclosed) {
							break
						}
						raw.WriteString(cfg.Enclosed)
						value.WriteString(cfg.Enclosed)
						data = data[1:]
						continue
					}
					if err := char(); err != nil {
						return rows, err
					}
				}
				if data != "" && lineEnd() == 0 && !at(cfg.Terminated) {
					return rows, decode.ErrNoSeparator
				}
			} else {
				for data != "" && lineEnd() == 0 && !at(cfg.Terminated) {
					if at(cfg.Enclosed) {
						return rows, decode.ErrNoSeparator
					}
					if err := char(); err != nil {
						return rows, err
					}
				}
			}
			field := decode.Field{Value: []byte(value.String())}
			if escaped != "" && cfg.Null == escaped+"N" {
				if raw.String() == cfg.Null {
					field = decode.Field{Kind: decode.Null}
				}
			} else if value.String() == cfg.Null && (!quoted || cfg.Null != "") {
				field = decode.Field{Kind: decode.Null}
			}
			row = append(row, field)
			if more = data != "" && lineEnd() == 0; more {
				data = data[len(cfg.Terminated):]
			}
		}
		line := before[:len(before)-len(data)]
		data = data[lineEnd():]
		if len(row) == 1 && strings.TrimSpace(line) == "" {
			continue
		}
		rows = append(rows, row)
	}
	return rows, nil
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
