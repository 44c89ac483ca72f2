package changefeed

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"dxfproxy/table"
)

// An encoder appends a value of a row event to dst as an SQL literal. The literal
// means exactly the stored value in a session with time_zone '+00:00', whatever
// its character sets are, provided that backslashes escape.
type encoder func(dst []byte, v any) ([]byte, error)

// longString is from where on a string is written with escapes and not in
// hexadecimal, which would double a row that may be nearly max_allowed_packet.
const longString = 256 << 10

// encoderOf picks the encoder for a column and the type codes (of the Table_map
// event) that its values may arrive under. MariaDB tells nothing else of a column
// there by default: no signedness, no character set, and a UUID is a CHAR(16).
func encoderOf(c table.Column) (encoder, []byte, error) {
	switch c.DataType {
	case "tinyint":
		return integer(c.Unsigned, 8), []byte{mysql.MYSQL_TYPE_TINY}, nil
	case "smallint":
		return integer(c.Unsigned, 16), []byte{mysql.MYSQL_TYPE_SHORT}, nil
	case "mediumint":
		return integer(c.Unsigned, 24), []byte{mysql.MYSQL_TYPE_INT24}, nil
	case "int":
		return integer(c.Unsigned, 32), []byte{mysql.MYSQL_TYPE_LONG}, nil
	case "bigint":
		return integer(c.Unsigned, 64), []byte{mysql.MYSQL_TYPE_LONGLONG}, nil
	case "bit":
		return integer(true, 64), []byte{mysql.MYSQL_TYPE_BIT}, nil
	case "year":
		return integer(true, 64), []byte{mysql.MYSQL_TYPE_YEAR}, nil
	case "enum", "set":
		// By number: the empty ENUM of a bad value is 0, and a SET may have 64
		// members. Both tables have the same list (table.Check sees to it).
		return integer(true, 64), []byte{mysql.MYSQL_TYPE_STRING, mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET}, nil
	case "decimal":
		return checked(false, "0123456789.-"), []byte{mysql.MYSQL_TYPE_NEWDECIMAL}, nil
	case "float":
		return float, []byte{mysql.MYSQL_TYPE_FLOAT}, nil
	case "double":
		return float, []byte{mysql.MYSQL_TYPE_DOUBLE}, nil
	// Temporal types of before MySQL 5.6 and MariaDB 10.1 have codes of their
	// own and a negative or fractional part that is not decoded: refused.
	case "date":
		return checked(true, "0123456789-"), []byte{mysql.MYSQL_TYPE_DATE, mysql.MYSQL_TYPE_NEWDATE}, nil
	case "time":
		return checked(true, "0123456789-:."), []byte{mysql.MYSQL_TYPE_TIME2}, nil
	case "datetime":
		return checked(true, "0123456789-:. "), []byte{mysql.MYSQL_TYPE_DATETIME2}, nil
	case "timestamp":
		return checked(true, "0123456789-:. "), []byte{mysql.MYSQL_TYPE_TIMESTAMP2}, nil
	case "char":
		return text(c.Charset), []byte{mysql.MYSQL_TYPE_STRING}, nil
	case "varchar":
		return text(c.Charset), []byte{mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING}, nil
	case "tinytext", "text", "mediumtext", "longtext":
		// MariaDB's JSON is a LONGTEXT.
		return text(c.Charset), []byte{mysql.MYSQL_TYPE_BLOB}, nil
	case "binary":
		return fixed(int(c.Length)), []byte{mysql.MYSQL_TYPE_STRING}, nil
	case "uuid", "inet6":
		return fixed(16), []byte{mysql.MYSQL_TYPE_STRING}, nil
	case "inet4":
		return fixed(4), []byte{mysql.MYSQL_TYPE_STRING}, nil
	case "varbinary":
		return fixed(0), []byte{mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING}, nil
	case "tinyblob", "blob", "mediumblob", "longblob":
		return fixed(0), []byte{mysql.MYSQL_TYPE_BLOB}, nil
	case "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon", "geometrycollection":
		return fixed(0), []byte{mysql.MYSQL_TYPE_GEOMETRY}, nil
	}
	return nil, nil, fmt.Errorf("column %s has type %s, which the changefeed cannot carry", c.Name, c.Type)
}

// integer undoes the missing signedness: the event's number is sign-extended.
func integer(unsigned bool, bits uint) encoder {
	mask := uint64(math.MaxUint64) >> (64 - bits)
	return func(dst []byte, v any) ([]byte, error) {
		var n int64
		switch v := v.(type) {
		case int8:
			n = int64(v)
		case int16:
			n = int64(v)
		case int32:
			n = int64(v)
		case int64:
			n = v
		case int:
			n = int64(v)
		case uint8:
			n = int64(v)
		case uint16:
			n = int64(v)
		case uint32:
			n = int64(v)
		case uint64:
			n = int64(v)
		default:
			return dst, fmt.Errorf("%T is no integer", v)
		}
		if unsigned {
			return strconv.AppendUint(dst, uint64(n)&mask, 10), nil
		}
		return strconv.AppendInt(dst, n, 10), nil
	}
}

// float writes digits that read back as the same bits; the exponent makes the
// literal a DOUBLE, not a DECIMAL. A FLOAT is written as the double it equals, for
// which 17 digits are always enough. A negative zero stays one.
func float(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case float32:
		return strconv.AppendFloat(dst, float64(v), 'e', 16, 64), nil
	case float64:
		return strconv.AppendFloat(dst, v, 'e', -1, 64), nil
	}
	return dst, fmt.Errorf("%T is no float", v)
}

// checked writes text that go-mysql has formatted, if it is of the right alphabet.
func checked(quoted bool, alphabet string) encoder {
	return func(dst []byte, v any) ([]byte, error) {
		s, ok := v.(string)
		if !ok || s == "" || strings.Trim(s, alphabet) != "" {
			return dst, fmt.Errorf("unexpected value %T %v", v, v)
		}
		if !quoted {
			return append(dst, s...), nil
		}
		return append(append(append(dst, '\''), s...), '\''), nil
	}
}

// text writes bytes in the column's own character set, so that nothing is
// converted on the way.
func text(charset string) encoder {
	return func(dst []byte, v any) ([]byte, error) {
		dst = append(append(dst, '_'), charset...)
		return bytesLiteral(append(dst, ' '), v, 0)
	}
}

// fixed writes binary bytes; width > 0 restores the trailing zeros that are cut
// off values of fixed width in row events.
func fixed(width int) encoder {
	return func(dst []byte, v any) ([]byte, error) { return bytesLiteral(dst, v, width) }
}

func bytesLiteral(dst []byte, v any, width int) ([]byte, error) {
	var b []byte
	switch v := v.(type) {
	case string:
		b = []byte(v)
	case []byte:
		b = v
	default:
		return dst, fmt.Errorf("%T is no string", v)
	}
	if len(b) >= longString {
		if width > 0 || len(dst) == 0 || dst[len(dst)-1] != ' ' {
			dst = append(dst, "_binary "...)
		}
		return escaped(dst, b), nil
	}
	dst = append(dst, 'x', '\'')
	dst = hex.AppendEncode(dst, b)
	for i := len(b); i < width; i++ {
		dst = append(dst, '0', '0')
	}
	return append(dst, '\''), nil
}

// escaped writes a quoted string. The statement is read as utf8mb4, in which no
// byte of a character is a quote or a backslash, so that bytes of any character
// set come through.
func escaped(dst, b []byte) []byte {
	dst = append(dst, '\'')
	for _, c := range b {
		switch c {
		case '\'', '\\':
			dst = append(dst, '\\', c)
		case 0:
			dst = append(dst, '\\', '0')
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '\'')
}
