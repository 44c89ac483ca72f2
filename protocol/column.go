package protocol

import (
	"encoding/binary"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// Column types replies are made of. The zero Type of a Column is TypeVarString.
const (
	TypeTiny      = mysql.MYSQL_TYPE_TINY
	TypeLong      = mysql.MYSQL_TYPE_LONG
	TypeLongLong  = mysql.MYSQL_TYPE_LONGLONG
	TypeDouble    = mysql.MYSQL_TYPE_DOUBLE
	TypeTimestamp = mysql.MYSQL_TYPE_TIMESTAMP
	TypeDatetime  = mysql.MYSQL_TYPE_DATETIME
	TypeBlob      = mysql.MYSQL_TYPE_BLOB
	TypeVarString = mysql.MYSQL_TYPE_VAR_STRING
	TypeString    = mysql.MYSQL_TYPE_STRING
)

// Collations of columns of our own.
const (
	collationUTF8MB4 = 45 // utf8mb4_general_ci, known to every server
	collationBinary  = 63
)

// NoLength as a Column's Length announces 0, as TiDB does for the text of a
// system variable.
const NoLength = ^uint32(0)

// Column is a column definition (ColumnDefinition41). Only Name is needed.
type Column struct {
	Schema, Table, OrgTable string
	Name, OrgName           string
	Type                    byte   // one of the constants above; 0 is TypeVarString
	Charset                 uint16 // 0: utf8mb4 for text, binary for the rest
	Length                  uint32 // 0: a usual one for the type; NoLength: none
	Flags                   uint16
	Decimals                uint8
}

func (c *Column) typ() byte {
	if c.Type == 0 {
		return TypeVarString
	}
	return c.Type
}

// text reports whether values travel as strings even in binary rows.
func (c *Column) text() bool {
	switch c.typ() {
	case TypeTiny, TypeLong, TypeLongLong, TypeDouble, TypeTimestamp, TypeDatetime:
		return false
	}
	return true
}

// append appends the payload of the column definition.
func (c *Column) append(dst []byte, caps Capability) []byte {
	charset, length := c.Charset, c.Length
	if charset == 0 {
		charset = collationBinary
		if c.text() && c.typ() != TypeBlob {
			charset = collationUTF8MB4
		}
	}
	switch length {
	case NoLength:
		length = 0
	case 0:
		length = 1024
		if !c.text() {
			length = 26 // digits of a microsecond DATETIME, more than any number has
		}
	}
	dst = appendString(dst, "def")
	dst = appendString(dst, c.Schema)
	dst = appendString(dst, c.Table)
	dst = appendString(dst, c.OrgTable)
	dst = appendString(dst, c.Name)
	dst = appendString(dst, c.OrgName)
	if caps.Has(MariaDBClientExtendedMeta) {
		dst = append(dst, 0) // no extended type
	}
	dst = append(dst, 0x0c)
	dst = binary.LittleEndian.AppendUint16(dst, charset)
	dst = binary.LittleEndian.AppendUint32(dst, length)
	dst = append(dst, c.typ())
	dst = binary.LittleEndian.AppendUint16(dst, c.Flags)
	return append(dst, c.Decimals, 0, 0)
}

// parseColumn reads the payload of a column definition.
func parseColumn(b []byte, caps Capability) (Column, error) {
	c := cursor{b: b}
	c.bytes() // catalog
	col := Column{
		Schema:   string(c.bytes()),
		Table:    string(c.bytes()),
		OrgTable: string(c.bytes()),
		Name:     string(c.bytes()),
		OrgName:  string(c.bytes()),
	}
	if caps.Has(MariaDBClientExtendedMeta) {
		c.bytes()
	}
	c.u8() // length of the rest
	col.Charset = c.u16()
	col.Length = c.u32()
	col.Type = c.u8()
	col.Flags = c.u16()
	col.Decimals = c.u8()
	if c.bad {
		return col, errMalformed
	}
	return col, nil
}
