package table

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"dxfproxy/server"
)

// Kind says how a key value is written in SQL.
type Kind int

// Kinds of key values. Types without one (TEXT, BLOB, geometry, long SETs) do not
// compare as they are written, or not alike everywhere, and no table is cut by them.
const (
	Number Kind = iota + 1 // integers, decimals and BIT, as digits
	Quoted                 // temporals (in UTC), UUID, INET: quoted text
	String                 // bytes in a character set
	Binary                 // bytes
	Member                 // of an ENUM or a SET, by its number
	Real                   // FLOAT and DOUBLE, as the shortest DOUBLE that reads back as the same bits
)

// maxListed is up to which number ranges of an ENUM or a SET are written as lists: the
// server goes through the whole index for anything else, unless a column before it in the
// key has told where to look.
const maxListed = 255

// maxOfSet is how many members a SET may have. MySQL compares the number of one with another
// number as DOUBLEs, which tell all integers of 53 bits apart; MariaDB compares a 64th
// member with the wrong sign.
const maxOfSet = 53

var kindNames = map[Kind]string{Number: "number", Quoted: "quoted", String: "string", Binary: "binary", Member: "member", Real: "real"}

// kindOf is the kind of a column's values, 0 when a key cannot have them.
func kindOf(c Column) Kind {
	switch c.DataType {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "bit":
		return Number
	case "float", "double":
		return Real
	case "enum", "set":
		if greatest(c) > 0 {
			return Member
		}
	case "date", "datetime", "timestamp", "time", "uuid", "inet4", "inet6":
		return Quoted
	case "char", "varchar":
		return String
	case "binary", "varbinary":
		return Binary
	}
	return 0
}

// greatest is the number of the last value of an ENUM or a SET, 0 when a key cannot have it.
func greatest(c Column) uint64 {
	n := members(c.Type)
	switch {
	case c.DataType == "enum":
		return uint64(n)
	case n > maxOfSet:
		return 0
	}
	return 1<<n - 1
}

// leads says whether a key may begin with a column.
func leads(c Column) bool { return kindOf(c) != Member || greatest(c) <= maxListed }

// Datum is one value of a key column.
type Datum struct {
	Kind    Kind
	Charset string // of a String
	Value   string // digits, text, or bytes in Charset
	Of      uint64 // the greatest number that a Member of its column may have
}

// SQL is the value as a literal. It means the same whatever the session's
// character sets and sql_mode are; its time zone must be '+00:00'.
func (d Datum) SQL() string {
	switch d.Kind {
	case Number, Member, Real:
		return d.Value
	case Quoted:
		return "'" + d.Value + "'"
	case String:
		return "_" + d.Charset + " x'" + hex.EncodeToString([]byte(d.Value)) + "'"
	case Binary:
		return "x'" + hex.EncodeToString([]byte(d.Value)) + "'"
	}
	panic(fmt.Sprintf("table: datum of kind %d", d.Kind))
}

// validate refuses values that would not be the literal they should be.
func (d Datum) validate() error {
	allowed := ""
	switch d.Kind {
	case Number:
		allowed = "0123456789-.+"
	case Quoted:
		allowed = "0123456789-.: abcdefABCDEF"
	case String:
		if d.Charset == "" || strings.Trim(d.Charset, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return fmt.Errorf("character set %q", d.Charset)
		}
		return nil
	case Binary:
		return nil
	case Member:
		if n, err := strconv.ParseUint(d.Value, 10, 64); err != nil || n > d.Of || d.Of >= 1<<maxOfSet {
			return fmt.Errorf("member %q of %d", d.Value, d.Of)
		}
		return nil
	case Real:
		// Without an exponent it would be a DECIMAL.
		if _, err := strconv.ParseFloat(d.Value, 64); err != nil || strings.Trim(d.Value, "0123456789.+-e") != "" ||
			!strings.Contains(d.Value, "e") {
			return fmt.Errorf("real %q", d.Value)
		}
		return nil
	default:
		return fmt.Errorf("kind %d", d.Kind)
	}
	if d.Value == "" || strings.Trim(d.Value, allowed) != "" {
		return fmt.Errorf("%s %q", kindNames[d.Kind], d.Value)
	}
	return nil
}

type datumJSON struct {
	Kind    string  `json:"kind"`
	Charset string  `json:"charset,omitempty"`
	Value   *string `json:"value,omitempty"` // of numbers and quoted text
	Hex     *string `json:"hex,omitempty"`   // of strings and binaries
	Of      uint64  `json:"of,omitempty"`
}

// MarshalJSON writes {"kind":"number","value":"7"} or
// {"kind":"string","charset":"utf8mb4","hex":"c3a9"}.
func (d Datum) MarshalJSON() ([]byte, error) {
	j := datumJSON{Kind: kindNames[d.Kind], Charset: d.Charset, Of: d.Of}
	if d.Kind == String || d.Kind == Binary {
		h := hex.EncodeToString([]byte(d.Value))
		j.Hex = &h
	} else {
		j.Value = &d.Value
	}
	return json.Marshal(j)
}

// UnmarshalJSON refuses everything MarshalJSON does not write.
func (d *Datum) UnmarshalJSON(data []byte) error {
	var j datumJSON
	if err := strict(data, &j); err != nil {
		return fmt.Errorf("key value %s: %w", data, err)
	}
	*d = Datum{Charset: j.Charset, Of: j.Of}
	for k, name := range kindNames {
		if name == j.Kind {
			d.Kind = k
		}
	}
	switch {
	case d.Kind == 0:
		return fmt.Errorf("key value %s: unknown kind", data)
	case (d.Kind == String || d.Kind == Binary) && j.Hex != nil && j.Value == nil:
		b, err := hex.DecodeString(*j.Hex)
		if err != nil {
			return fmt.Errorf("key value %s: %w", data, err)
		}
		d.Value = string(b)
	case (d.Kind == Number || d.Kind == Quoted || d.Kind == Member || d.Kind == Real) && j.Value != nil && j.Hex == nil:
		d.Value = *j.Value
	default:
		return fmt.Errorf("key value %s: %w", data, errShape)
	}
	if err := d.validate(); err != nil {
		return fmt.Errorf("key value %s: %w", data, err)
	}
	return nil
}

var errShape = errors.New("foreign shape")

// read is the expression that selects a key column so that scan can make a
// Datum of it.
func read(alias string, c Column) string {
	name := qualified(alias, c.Name)
	switch kindOf(c) {
	case String, Binary:
		return "HEX(" + name + ")"
	case Quoted:
		return "CAST(" + name + " AS CHAR)"
	case Member: // MySQL makes a DOUBLE of a SET + 0
		return "CAST(" + name + " AS UNSIGNED)"
	case Real: // with all its digits, however many the column shows
		return "CAST(" + name + " AS DOUBLE)"
	}
	return name + "+0"
}

// scan makes a Datum of what read selected.
func scan(c Column, text string) (Datum, error) {
	d := Datum{Kind: kindOf(c), Value: text}
	if d.Kind == String || d.Kind == Binary {
		b, err := hex.DecodeString(text)
		if err != nil {
			return Datum{}, fmt.Errorf("value of key column %s: %w", c.Name, err)
		}
		d.Value = string(b)
	}
	switch d.Kind {
	case String:
		d.Charset = c.Charset
	case Member:
		d.Of = greatest(c)
	case Real:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return Datum{}, fmt.Errorf("value of key column %s: %w", c.Name, err)
		}
		d.Value = strconv.FormatFloat(n, 'e', -1, 64)
	}
	if err := d.validate(); err != nil {
		return Datum{}, fmt.Errorf("value of key column %s: %w", c.Name, err)
	}
	return d, nil
}

// members counts those of a type such as enum('a','b').
func members(typ string) int {
	at := strings.IndexByte(typ, '(') + 1
	for n := 1; at > 0; n++ {
		end := scanTo(typ, at, ",)")
		if end < 0 {
			return 0
		}
		if typ[end] == ')' {
			return n
		}
		at = end + 1
	}
	return 0
}

func qualified(alias, column string) string {
	if alias == "" {
		return server.Quote(column)
	}
	return server.Quote(alias, column)
}
