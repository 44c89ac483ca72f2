package decode

import (
	"encoding/binary"
	"errors"
)

// A compact walks over a struct in thrift's compact protocol, as Parquet's footer and
// page headers are, without keeping anything of it: before a library reads lists of
// the length that the bytes claim, it must be known that there are such lists.
// See thrift-compact-protocol.md of apache/thrift.
type compact struct {
	b   []byte
	pos int
	// needs is about how much memory the lists need when they are decoded.
	needs int64
}

var (
	errShortThrift = errors.New("the bytes end too early")
	errThrift      = errors.New("the bytes are no thrift")
)

// The types of the protocol.
const (
	tTrue = iota + 1
	tFalse
	tI8
	tI16
	tI32
	tI64
	tDouble
	tBinary
	tList
	tSet
	tMap
	tStruct
	tUUID
)

// deepest is how deep structs and lists are nested: those of Parquet are half as deep.
const deepest = 24

// needed is the memory for an element of a list, by how many lists it is in: a row
// group or a column of the schema, a column of a row group, and what is in that.
var needed = [deepest]int64{0, 256, 1024, 64}

// skipStruct moves past a struct that is in so many structs and lists.
func (c *compact) skipStruct(depth, lists int) error {
	if depth >= deepest {
		return errThrift
	}
	for {
		b, err := c.byte()
		if err != nil || b == 0 {
			return err
		}
		if b>>4 == 0 { // the field's number follows
			if _, err := c.varint(); err != nil {
				return err
			}
		}
		if t := b & 0xf; t != tTrue && t != tFalse { // which have their value in the type
			if err := c.skip(t, depth+1, lists); err != nil {
				return err
			}
		}
	}
}

func (c *compact) skip(t byte, depth, lists int) error {
	if depth >= deepest {
		return errThrift
	}
	switch t {
	case tTrue, tFalse, tI8:
		return c.past(1)
	case tI16, tI32, tI64:
		_, err := c.varint()
		return err
	case tDouble:
		return c.past(8)
	case tUUID:
		return c.past(16)
	case tBinary:
		n, err := c.varint()
		if err != nil {
			return err
		}
		return c.past(n)
	case tStruct:
		return c.skipStruct(depth, lists)
	case tList, tSet:
		b, err := c.byte()
		if err != nil {
			return err
		}
		n := uint64(b >> 4)
		if n == 0xf {
			if n, err = c.varint(); err != nil {
				return err
			}
		}
		return c.skipAll(n, depth, lists, b&0xf)
	case tMap:
		n, err := c.varint()
		if n == 0 || err != nil {
			return err
		}
		b, err := c.byte()
		if err != nil {
			return err
		}
		return c.skipAll(n, depth, lists, b>>4, b&0xf)
	}
	return errThrift
}

// skipAll moves past n elements, each of these types in turn.
func (c *compact) skipAll(n uint64, depth, lists int, types ...byte) error {
	if n > uint64(len(c.b)-c.pos) {
		return errShortThrift // each has a byte at least
	}
	lists++
	c.needs += int64(n) * max(needed[min(lists, deepest-1)], 32)
	for range n {
		for _, t := range types {
			if err := c.skip(t, depth+1, lists); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *compact) byte() (byte, error) {
	if c.pos == len(c.b) {
		return 0, errShortThrift
	}
	c.pos++
	return c.b[c.pos-1], nil
}

func (c *compact) varint() (uint64, error) {
	v, n := binary.Uvarint(c.b[c.pos:])
	switch {
	case n == 0:
		return 0, errShortThrift
	case n < 0:
		return 0, errThrift
	}
	c.pos += n
	return v, nil
}

func (c *compact) past(n uint64) error {
	if n > uint64(len(c.b)-c.pos) {
		return errShortThrift
	}
	c.pos += int(n)
	return nil
}
