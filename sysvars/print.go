package sysvars

import (
	"net/url"
	"strings"
)

// ColumnType is the type SELECT @@name announces to the client.
type ColumnType uint8

// Column types.
const (
	BigInt ColumnType = iota
	BigIntUnsigned
	VarChar
)

// Column is the metadata of one column of SELECT @@name.
type Column struct {
	Type   ColumnType
	Length uint32 // as in the column definition; TiDB announces 0 for text
}

// Column says how SELECT @@name announces the variable.
func (v *Var) Column() Column {
	switch v.Type {
	case Bool:
		return Column{BigInt, 20}
	case Unsigned:
		return Column{BigIntUnsigned, 20}
	}
	return Column{VarChar, 0}
}

// Select prints a stored value for SELECT @@name: a boolean is 1 or 0 there.
func (v *Var) Select(value string) string {
	if v.Type == Bool {
		if value == "ON" {
			return "1"
		}
		return "0"
	}
	return v.Show(value)
}

// Show prints a stored value for SHOW VARIABLES; secrets are masked.
func (v *Var) Show(value string) string {
	if v.read != nil {
		return v.read(value)
	}
	return value
}

// InShow says whether SHOW GLOBAL VARIABLES (global) or SHOW [SESSION]
// VARIABLES lists the variable. Only the first leaves names out: those that
// have no global value.
func (v *Var) InShow(global bool) bool {
	return !global || v.Scope != Session
}

// ShowWidth is the column length TiDB announces in SHOW VARIABLES for a column
// whose longest text has this many characters: four bytes each, at least 5.
func ShowWidth(longest int) uint32 {
	return uint32(max(longest, 5)) * 4
}

// secretKeys are the parameters of a storage URI that are never shown.
var secretKeys = map[string]bool{"access-key": true, "secret-access-key": true, "session-token": true}

// redactURI masks the secrets of an s3 or ks3 URI. Only the query is touched,
// so that the rest reads back as it was written.
func redactURI(value string) string {
	scheme, _, _ := strings.Cut(value, "://")
	base, query, ok := strings.Cut(value, "?")
	if !ok || !strings.EqualFold(scheme, "s3") && !strings.EqualFold(scheme, "ks3") {
		return value
	}
	params := strings.Split(query, "&")
	for i, p := range params {
		key, _, _ := strings.Cut(p, "=")
		plain, err := url.QueryUnescape(key)
		if err == nil && secretKeys[strings.ReplaceAll(strings.ToLower(plain), "_", "-")] {
			params[i] = key + "=xxxxxx"
		}
	}
	return base + "?" + strings.Join(params, "&")
}
