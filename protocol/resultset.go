package protocol

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"
)

// ResultSet is rows with their columns. As a reply, values may be nil (NULL),
// string, []byte, bool, any integer or float, or time.Time; they are sent as
// text or binary rows as the client's command demands. From Conn.Query values
// are nil or string.
type ResultSet struct {
	Columns []Column
	Rows    [][]any
}

// datetimeText is how a DATETIME is written in text rows.
const datetimeText = "2006-01-02 15:04:05.999999"

// append appends the packets of the result set.
func (r *ResultSet) append(dst []byte, seq *byte, caps Capability, status StatusFlags, binaryRows bool) ([]byte, error) {
	p := appendLenenc(nil, uint64(len(r.Columns)))
	if caps.Has(MariaDBClientCacheMetadata) {
		p = append(p, 1) // the definitions follow
	}
	dst = appendPacket(dst, seq, p)
	dst = appendDefinitions(dst, seq, caps, status, r.Columns)
	for _, row := range r.Rows {
		if len(row) != len(r.Columns) {
			return nil, fmt.Errorf("row of %d values under %d columns", len(row), len(r.Columns))
		}
		if binaryRows {
			p = appendBinaryRow(p[:0], r.Columns, row)
		} else {
			p = appendTextRow(p[:0], row)
		}
		dst = appendPacket(dst, seq, p)
	}
	return appendPacket(dst, seq, appendEOF(p[:0], caps, status)), nil
}

// appendDefinitions appends column definitions, with the EOF behind them that
// older clients want.
func appendDefinitions(dst []byte, seq *byte, caps Capability, status StatusFlags, cols []Column) []byte {
	var p []byte
	for i := range cols {
		p = cols[i].append(p[:0], caps)
		dst = appendPacket(dst, seq, p)
	}
	if !caps.Has(ClientDeprecateEOF) {
		dst = appendPacket(dst, seq, appendEOF(p[:0], caps, status))
	}
	return dst
}

func appendTextRow(dst []byte, row []any) []byte {
	for _, v := range row {
		if v == nil {
			dst = append(dst, 0xfb)
			continue
		}
		dst = appendString(dst, text(v))
	}
	return dst
}

// text writes a value as a text row has it.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case bool:
		if v {
			return "1"
		}
		return "0"
	case time.Time:
		return v.Format(datetimeText)
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

func appendBinaryRow(dst []byte, cols []Column, row []any) []byte {
	dst = append(dst, 0x00)
	nulls := len(dst)
	dst = append(dst, make([]byte, (len(cols)+7+2)/8)...)
	for i, v := range row {
		if v == nil {
			dst[nulls+(i+2)/8] |= 1 << ((i + 2) % 8)
			continue
		}
		dst = appendBinary(dst, cols[i].typ(), v)
	}
	return dst
}

// appendBinary appends a value as a binary row has it. What does not fit the
// column's type becomes its zero, as a cast in the server would.
func appendBinary(dst []byte, typ byte, v any) []byte {
	switch typ {
	case TypeTiny:
		return append(dst, byte(integer(v)))
	case TypeLong:
		return binary.LittleEndian.AppendUint32(dst, uint32(integer(v)))
	case TypeLongLong:
		return binary.LittleEndian.AppendUint64(dst, uint64(integer(v)))
	case TypeDouble:
		f, _ := strconv.ParseFloat(text(v), 64)
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
	case TypeTimestamp, TypeDatetime:
		t, ok := v.(time.Time)
		if !ok {
			t, _ = time.Parse(datetimeText, text(v))
		}
		return appendDatetime(dst, t)
	}
	return appendString(dst, text(v))
}

func integer(v any) int64 {
	s := text(v)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	n, _ := strconv.ParseUint(s, 10, 64)
	return int64(n)
}

// appendDatetime appends a DATETIME of a binary row: a length, then as many
// parts as are not zero at the end.
func appendDatetime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, 0)
	}
	micros := uint32(t.Nanosecond() / 1000)
	n := byte(7)
	if micros != 0 {
		n = 11
	}
	dst = append(dst, n, byte(t.Year()), byte(t.Year()>>8), byte(t.Month()), byte(t.Day()),
		byte(t.Hour()), byte(t.Minute()), byte(t.Second()))
	if micros != 0 {
		dst = binary.LittleEndian.AppendUint32(dst, micros)
	}
	return dst
}
