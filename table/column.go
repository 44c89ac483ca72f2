package table

import (
	"context"
	"database/sql"
	"strings"

	"dxfproxy/server"
)

// Column is one column, as information_schema.COLUMNS describes it.
type Column struct {
	Name          string
	Ordinal       int    // from 1, the order of values in a row event
	DataType      string // lower case, without length: int, varchar, …
	Type          string // with everything: bigint(20) unsigned, enum('a','b'), …
	Charset       string // "" for types that have none
	Collation     string
	Unsigned      bool
	Nullable      bool
	Generated     Generated
	Length        int64 // bytes at most (CHARACTER_OCTET_LENGTH); 0 for types that have none
	AutoIncrement bool
	Invisible     bool
	Compressed    bool // MariaDB's COMPRESSED attribute
	Versioned     bool // row start or end of system versioning
}

// Generated says how a generated column is kept.
type Generated string

// Kinds of generated columns.
const (
	NotGenerated Generated = ""
	Virtual      Generated = "virtual"
	Stored       Generated = "stored"
)

const selectColumns = `SELECT COLUMN_NAME, ORDINAL_POSITION, LOWER(DATA_TYPE), COLUMN_TYPE,
	COALESCE(CHARACTER_SET_NAME, ''), COALESCE(COLLATION_NAME, ''), IS_NULLABLE = 'YES', UPPER(EXTRA),
	COALESCE(CHARACTER_OCTET_LENGTH, 0)
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`

func (t *Info) loadColumns(ctx context.Context, q server.Querier) error {
	return server.Each(ctx, q, func(r *sql.Rows) error {
		var c Column
		var extra string
		if err := r.Scan(&c.Name, &c.Ordinal, &c.DataType, &c.Type, &c.Charset, &c.Collation, &c.Nullable, &extra, &c.Length); err != nil {
			return err
		}
		typ := strings.ToLower(c.Type)
		c.Unsigned = strings.Contains(typ, " unsigned")
		if c.DataType == "enum" || c.DataType == "set" {
			c.Unsigned = false
		}
		c.Compressed = strings.Contains(typ, " compressed*/") || strings.HasSuffix(typ, " compressed")
		c.AutoIncrement = strings.Contains(extra, "AUTO_INCREMENT")
		c.Invisible = strings.Contains(extra, "INVISIBLE")
		switch {
		case strings.Contains(extra, "VIRTUAL GENERATED"):
			c.Generated = Virtual
		case strings.Contains(extra, "STORED GENERATED"), strings.Contains(extra, "PERSISTENT"):
			c.Generated = Stored
		}
		t.Columns = append(t.Columns, c)
		return nil
	}, selectColumns, t.Schema, t.Name)
}

// Common lists the columns a copy from t to u writes: those that both have and
// neither computes, in t's order.
func Common(t, u *Info) []Column {
	var cols []Column
	for _, c := range t.Columns {
		d, ok := u.Column(c.Name)
		if ok && c.Generated == NotGenerated && d.Generated == NotGenerated {
			cols = append(cols, c)
		}
	}
	return cols
}
