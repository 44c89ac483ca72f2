package server

import (
	"strings"

	"dxfproxy/dxf"
)

// Duplicate takes value and key out of the text of error 1062, "Duplicate entry 'v' for key
// 'k'"; MySQL writes 'table.k'. The value may hold any text. ok is false for another one.
func Duplicate(message string) (value, key string, ok bool) {
	const before, between = "Duplicate entry '", "' for key '"
	at := strings.LastIndex(message, between)
	if !strings.HasPrefix(message, before) || at < len(before) {
		return "", "", false
	}
	value, key = message[len(before):at], strings.TrimSuffix(message[at+len(between):], "'")
	return value, key[strings.LastIndexByte(key, '.')+1:], true
}

// DuplicateIn is that text as TiDB has it, with the table's name.
func DuplicateIn(name, value, key string) string {
	return "Duplicate entry '" + value + "' for key '" + name + "." + key + "'"
}

// DuplicateEntry is error 1062 as TiDB has it.
func DuplicateEntry(name, value, key string) *dxf.Error {
	return &dxf.Error{Code: ErrDupEntry, State: "23000", Class: "kv", Message: DuplicateIn(name, value, key)}
}
