package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// converter appends a value of a column as MySQL writes it, and returns all of dst; nil
// means that the value's bytes are it.
type converter func(dst []byte, v *parquet.Value) (Kind, []byte, error)

var errNoNumber = errors.New("not a number that SQL has")

// newConverter knows the types of the Parquet format: a physical type, and what it
// stands for (LogicalTypes.md of apache/parquet-format).
func newConverter(t parquet.Type, element format.SchemaElement, old calendars) (converter, error) {
	switch l := element.LogicalType.Value.(type) {
	case *format.Float16Type:
		return float16, nil
	case *format.GeometryType, *format.GeographyType:
		return nil, fmt.Errorf("type %s cannot be imported", l)
	}
	if element.ConvertedType.Valid && element.ConvertedType.V == deprecated.Interval {
		return nil, errors.New("type INTERVAL cannot be imported")
	}
	if logical := t.LogicalType(); logical != nil {
		switch l := logical.Value.(type) {
		case *format.DecimalType:
			return decimal(t.Kind(), int(l.Scale))
		case *format.DateType:
			return date(old.dates), nil
		case *format.TimeType:
			return timeOfDay(t.Kind(), unit(l.Unit)), nil
		case *format.TimestampType:
			if !l.IsAdjustedToUTC {
				return timestamp(Text, unit(l.Unit), false), nil
			}
			return timestamp(Instant, unit(l.Unit), old.dates), nil
		case *format.IntType:
			return integer(t.Kind(), l.IsSigned)
		case *format.UUIDType:
			return uuid, nil
		case *format.NullType:
			return verbatim, nil // never called
		}
	}
	switch t.Kind() {
	case parquet.Boolean:
		return boolean, nil
	case parquet.Int32, parquet.Int64:
		return integer(t.Kind(), true)
	case parquet.Int96:
		return int96(old.int96), nil
	case parquet.Float:
		return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
			return appendFloat(dst, Float, float64(v.Float()))
		}, nil
	case parquet.Double:
		return func(dst []byte, v *parquet.Value) (Kind, []byte, error) { return appendFloat(dst, Number, v.Double()) }, nil
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return verbatim, nil
	}
	return nil, fmt.Errorf("type %s cannot be imported", t)
}

// verbatim is for strings, enums, JSON, BSON and bytes.
func verbatim(_ []byte, _ *parquet.Value) (Kind, []byte, error) { return Text, nil, nil }

func boolean(dst []byte, v *parquet.Value) (Kind, []byte, error) {
	if v.Boolean() {
		return Number, append(dst, '1'), nil
	}
	return Number, append(dst, '0'), nil
}

func integer(kind parquet.Kind, signed bool) (converter, error) {
	switch {
	case kind == parquet.Int32 && signed:
		return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
			return Number, strconv.AppendInt(dst, int64(v.Int32()), 10), nil
		}, nil
	case kind == parquet.Int32:
		return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
			return Number, strconv.AppendUint(dst, uint64(v.Uint32()), 10), nil
		}, nil
	case signed:
		return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
			return Number, strconv.AppendInt(dst, v.Int64(), 10), nil
		}, nil
	}
	return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
		return Number, strconv.AppendUint(dst, v.Uint64(), 10), nil
	}, nil
}

func appendFloat(dst []byte, kind Kind, f float64) (Kind, []byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return kind, dst, errNoNumber
	}
	return kind, AppendFloat(dst, f, 64), nil
}

// AppendFloat appends the shortest text that stands for a number of so many bits, in the
// form that servers give it.
func AppendFloat(dst []byte, f float64, bits int) []byte {
	if abs := math.Abs(f); f == 0 || abs > 1e-15 && abs < 1e15 {
		return strconv.AppendFloat(dst, f, 'f', -1, bits)
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, bits)
	at := from + bytes.IndexByte(dst[from:], 'e') + 1 // of a sign, which a plus is left out of, and two digits
	digits := bytes.TrimLeft(dst[at+1:], "0")
	if dst[at] == '-' {
		at++
	}
	return append(dst[:at], digits...)
}

// float16 is an IEEE half: 1 bit of sign, 5 of exponent, 10 of fraction, little endian.
func float16(dst []byte, v *parquet.Value) (Kind, []byte, error) {
	b := v.ByteArray()
	if len(b) != 2 {
		return Number, dst, errNoNumber
	}
	h := binary.LittleEndian.Uint16(b)
	exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
	var f float64
	switch exponent {
	case 0x1f:
		return Number, dst, errNoNumber
	case 0:
		f = math.Ldexp(fraction, -24)
	default:
		f = math.Ldexp(fraction+1024, exponent-25)
	}
	if h&0x8000 != 0 {
		f = -f
	}
	return appendFloat(dst, Float, f)
}

// maxDigits is more than a number has, in digits or bytes, that SQL has room for.
const maxDigits = 128

// decimal is an integer, in big-endian two's complement where it is bytes, with scale
// digits after the point.
func decimal(kind parquet.Kind, scale int) (converter, error) {
	if scale < 0 || scale > maxDigits {
		return nil, fmt.Errorf("type DECIMAL with a scale of %d cannot be imported", scale)
	}
	switch kind {
	case parquet.Int32:
		return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
			return Number, appendDecimal(dst, int64(v.Int32()), scale), nil
		}, nil
	case parquet.Int64:
		return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
			return Number, appendDecimal(dst, v.Int64(), scale), nil
		}, nil
	}
	return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
		b := v.ByteArray()
		if len(b) == 0 || len(b) > maxDigits {
			return Number, dst, errNoNumber
		}
		if len(b) > 8 && !fits(b) {
			n := new(big.Int).SetBytes(b)
			if b[0]&0x80 != 0 {
				n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
			}
			from := len(dst)
			dst = n.Append(dst, 10)
			return Number, point(dst, from, scale), nil
		}
		n := int64(int8(b[0]))
		for _, c := range b[max(1, len(b)-8):] {
			n = n<<8 | int64(c)
		}
		return Number, appendDecimal(dst, n, scale), nil
	}, nil
}

// fits says whether all but the last eight bytes of a number repeat its sign.
func fits(b []byte) bool {
	sign := byte(int8(b[len(b)-8]) >> 7)
	for _, c := range b[:len(b)-8] {
		if c != sign {
			return false
		}
	}
	return true
}

func appendDecimal(dst []byte, n int64, scale int) []byte {
	from := len(dst)
	return point(strconv.AppendInt(dst, n, 10), from, scale)
}

// point sets the point into the number that begins at byte from.
func point(dst []byte, from, scale int) []byte {
	if scale == 0 {
		return dst
	}
	if dst[from] == '-' {
		from++
	}
	for len(dst)-from <= scale {
		dst = slices.Insert(dst, from, '0')
	}
	return slices.Insert(dst, len(dst)-scale, '.')
}

func date(old bool) converter {
	return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
		t := time.Unix(int64(v.Int32())*day, 0).UTC()
		if old {
			t = gregorian(t)
		}
		return Text, t.AppendFormat(dst, time.DateOnly), nil
	}
}

const day = 24 * 60 * 60 // in seconds

// unit is how many nanoseconds it has.
func unit(u format.TimeUnit) int64 {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return int64(time.Millisecond)
	case *format.MicroSeconds:
		return int64(time.Microsecond)
	}
	return 1
}

// timeOfDay is written without regard to a zone: there is no day to convert it on.
func timeOfDay(kind parquet.Kind, unit int64) converter {
	return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
		n := v.Int64()
		if kind == parquet.Int32 {
			n = int64(v.Int32())
		}
		return Text, time.Unix(0, n*unit).UTC().AppendFormat(dst, "15:04:05.999999"), nil
	}
}

const dateTime = "2006-01-02 15:04:05.999999"

func timestamp(kind Kind, unit int64, old bool) converter {
	perSecond := int64(time.Second) / unit
	return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
		n := v.Int64()
		t := time.Unix(n/perSecond, n%perSecond*unit).UTC()
		if old {
			t = gregorian(t)
		}
		return kind, t.AppendFormat(dst, dateTime), nil
	}
}

// int96 is what Impala, Hive and older Sparks write for instants: nanoseconds of a
// day, and the Julian number of that day.
func int96(old bool) converter {
	const epoch = 2440588
	return func(dst []byte, v *parquet.Value) (Kind, []byte, error) {
		n := v.Int96()
		nanos := int64(uint64(n[1])<<32 | uint64(n[0]))
		seconds := (int64(int32(n[2])) - epoch) * day
		t := time.Unix(seconds+nanos/1e9, nanos%1e9).UTC()
		if old {
			t = gregorian(t)
		}
		return Instant, t.AppendFormat(dst, dateTime), nil
	}
}

func uuid(dst []byte, v *parquet.Value) (Kind, []byte, error) {
	if len(v.ByteArray()) != 16 {
		return UUID, dst, errors.New("not a UUID")
	}
	return UUID, nil, nil
}
