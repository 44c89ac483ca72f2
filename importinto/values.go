package importinto

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// append writes one field, so that the server makes of it what it makes of the same
// value in an INSERT.
func (t *target) append(data []byte, f decode.Field) ([]byte, error) {
	switch f.Kind {
	case decode.Null:
		return append(data, '\\', 'N'), nil
	case decode.Instant:
		var err error
		if f.Value, err = t.wallClock(f.Value); err != nil {
			return data, err
		}
		f.Kind = decode.Text
	case decode.Float:
		f.Kind = decode.Number
		if t.column != nil && t.class != numeric && t.class != bits {
			f.Value = shorter(f.Value)
		}
	case decode.UUID:
		if t.class != binary {
			f.Value = appendUUID(nil, f.Value)
		}
		f.Kind = decode.Text
	}
	switch t.class {
	case binary:
		if t.noText && (f.Kind == decode.Text || f.Kind == decode.Number) {
			message := fmt.Sprintf("Incorrect vector value: %s for column '%s'", decode.Shorten(f.Value), t.label())
			return data, &dxf.Error{Code: server.ErrTruncatedWrongValue, State: "22007", Message: message}
		}
		return hex.AppendEncode(data, asText(f)), nil
	case bits:
		return hex.AppendEncode(data, bitsOf(f)), nil
	case numeric:
		if f.Kind == decode.Bytes {
			if len(f.Value) > 8 {
				return data, &dxf.Error{Code: server.ErrWarnDataOutOfRange, State: "22003",
					Message: fmt.Sprintf("Out of range value for column '%s'", t.label())}
			}
			f = decode.Field{Kind: decode.Number, Value: new(big.Int).SetBytes(f.Value).Append(nil, 10)}
		}
		if f.Kind == decode.Number && t.column.DataType == "year" && len(bytes.Trim(f.Value, "0")) == 0 {
			return append(data, "0000"...), nil // the text 0 is the year 2000, the number is none
		}
	case moment:
		if f.Kind == decode.Number {
			f.Value = momentOf(f.Value)
		}
	case choice:
		if f.Kind == decode.Number {
			f.Value = t.column.choiceOf(f.Value)
		}
	case address:
		if f.Kind == decode.Bytes || f.Kind == decode.Octets {
			f.Value = addressOf(t.column.DataType, f.Value)
		}
	case plain:
		if t.column != nil {
			f.Value = asText(f)
		}
	}
	if !utf8.Valid(f.Value) {
		return data, incorrectString(f.Value, t.label())
	}
	return escape(data, f.Value), nil
}

// maxDigits is more than a number has that a column has room for: what a number takes
// to be read grows with the square of them.
const maxDigits = 1 << 10

// asText is the value in a column of texts, where the server writes 7 for 007, +7 or 7.
func asText(f decode.Field) []byte {
	v := f.Value
	if f.Kind != decode.Number || len(v) == 0 || bytes.ContainsAny(v, "eE") {
		return v
	}
	digits := bytes.TrimLeft(v, "+-")
	if digits[0] != '0' && digits[0] != '.' && v[0] != '+' && v[len(v)-1] != '.' {
		return v // as nearly all
	}
	whole, fraction, _ := bytes.Cut(digits, []byte{'.'})
	whole = bytes.TrimLeft(whole, "0")
	if len(whole) == 0 {
		whole = []byte{'0'}
	}
	out := make([]byte, 0, len(v)+1)
	if v[0] == '-' && len(bytes.Trim(digits, "0.")) > 0 {
		out = append(out, '-')
	}
	out = append(out, whole...)
	if len(fraction) > 0 {
		out = append(append(out, '.'), fraction...)
	}
	return out
}

// shorter is the shortest text that stands for a number of 32 bits.
func shorter(exact []byte) []byte {
	f, err := strconv.ParseFloat(string(exact), 64)
	if err != nil {
		return exact
	}
	return decode.AppendFloat(nil, f, 32)
}

// bitsOf are the bytes of a value in a column of bits.
func bitsOf(f decode.Field) []byte {
	if f.Kind != decode.Number {
		return f.Value
	}
	tooLong := bytes.Repeat([]byte{0xff}, 9) // for any column
	if len(f.Value) > maxDigits {
		return tooLong
	}
	n, ok := new(big.Int).SetString(string(f.Value), 10)
	if !ok {
		if bytes.ContainsAny(f.Value, "eE") { // the server cuts what is behind the point
			v, err := strconv.ParseFloat(string(f.Value), 64)
			if err != nil || math.Abs(v) >= 1<<63 {
				return tooLong
			}
			n = big.NewInt(int64(v))
		} else { // and rounds this
			r, ok := new(big.Rat).SetString(string(f.Value))
			if !ok {
				return tooLong
			}
			text := r.FloatString(0)
			n, _ = new(big.Int).SetString(text, 10)
		}
	}
	switch {
	case n.Sign() >= 0:
		return n.Bytes()
	case !n.IsInt64():
		return tooLong
	}
	return new(big.Int).SetUint64(uint64(n.Int64())).Bytes()
}

// momentOf is the text of a number that is a date, as 20260102 and 70102 are, and a
// time of day behind it: text of other than 6, 8, 12 or 14 digits is read otherwise.
func momentOf(number []byte) []byte {
	n := len(number)
	for _, b := range number {
		if b < '0' || b > '9' {
			return number
		}
	}
	digits := bytes.TrimLeft(number, "0")
	switch n = len(digits); {
	case n == 0:
		return []byte("0000-00-00")
	case n < 3, n == 7, n > 14:
		return append([]byte{'-'}, digits...) // none
	case n < 6:
		n = 6
	case n > 8 && n < 12:
		n = 12
	case n == 13:
		n = 14
	}
	return append(bytes.Repeat([]byte{'0'}, n-len(digits)), digits...)
}

// choiceOf is the text of what a number chooses.
func (c *column) choiceOf(number []byte) []byte {
	whole, _, _ := bytes.Cut(number, []byte{'.'})
	n, err := strconv.ParseUint(string(whole), 10, 64)
	switch {
	case err != nil:
		return number
	case c.DataType == "enum":
		if n < 1 || n > uint64(len(c.members)) {
			return nil // no member, but of an enum that has the empty text
		}
		return []byte(c.members[n-1])
	case len(c.members) < 64 && n >= 1<<len(c.members):
		return number
	}
	var chosen []string
	for i, m := range c.members {
		if n>>i&1 == 1 {
			chosen = append(chosen, m)
		}
	}
	return []byte(strings.Join(chosen, ","))
}

// membersOf reads the members of an ENUM or SET out of its type, in which quotes are
// doubled and backslashes escape, whatever the sql_mode.
func membersOf(c table.Column) (members []string) {
	if classOf(c) != choice {
		return nil
	}
	text := c.Type
	for i := 0; i < len(text); i++ {
		if text[i] != '\'' {
			continue
		}
		var m []byte
		for i++; i < len(text); i++ {
			if text[i] == '\'' {
				if i+1 == len(text) || text[i+1] != '\'' {
					break
				}
				i++
			}
			m = append(m, text[i])
		}
		value, _ := unescape(m)
		members = append(members, string(value))
	}
	return members
}

// addressOf is the text of a value of one of MariaDB's types that have another text
// than their bytes.
func addressOf(dataType string, value []byte) []byte {
	switch {
	case dataType == "uuid" && len(value) == 16:
		return appendUUID(nil, value)
	case dataType == "inet6" && len(value) == 16, dataType == "inet4" && len(value) == 4:
		if a, ok := netip.AddrFromSlice(value); ok {
			return []byte(a.String())
		}
	}
	return value
}

// appendUUID appends the text of a UUID of 16 bytes.
func appendUUID(dst, value []byte) []byte {
	from := 0
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, value[from:end])
		from = end
	}
	return dst
}
