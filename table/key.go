package table

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"dxfproxy/server"
)

// Key is a unique key.
type Key struct {
	Name    string // PRIMARY for the primary key
	Columns []Column

	// Checked is a key that the server checks before it writes (MariaDB's USING HASH
	// and all longer than a B-tree takes): two sessions may pass at once.
	Checked bool

	exact bool // whole columns, ascending, in a B-tree
}

// Names lists the key's columns.
func (k *Key) Names() []string {
	names := make([]string, len(k.Columns))
	for i, c := range k.Columns {
		names[i] = c.Name
	}
	return names
}

const selectKeys = `SELECT INDEX_NAME, COALESCE(COLUMN_NAME, ''), COALESCE(COLLATION, ''), SUB_PART IS NOT NULL, INDEX_TYPE
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0
ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX`

func (t *Info) loadKeys(ctx context.Context, q server.Querier) error {
	return server.Each(ctx, q, func(r *sql.Rows) error {
		var name, column, order, typ string
		var prefix bool
		if err := r.Scan(&name, &column, &order, &prefix, &typ); err != nil {
			return err
		}
		if n := len(t.Keys); n == 0 || t.Keys[n-1].Name != name {
			t.Keys = append(t.Keys, Key{Name: name, exact: true})
		}
		k := &t.Keys[len(t.Keys)-1]
		c, found := t.Column(column)
		k.Columns = append(k.Columns, c)
		k.Checked = typ == "HASH"
		// An expression has no column; a descending part would need its own
		// comparison; MariaDB's HASH keys have no order.
		if !found || prefix || order != "A" || typ != "BTREE" {
			k.exact = false
		}
		return nil
	}, selectKeys, t.Schema, t.Name)
}

// usable says whether ranges of the key are the same set of rows in the table,
// in its copy, and to everyone who compares values of it.
func (k *Key) usable() bool {
	if !k.exact {
		return false
	}
	for i, c := range k.Columns {
		if c.Nullable || c.Generated != NotGenerated || c.Compressed || kindOf(c) == 0 || i == 0 && !leads(c) {
			return false
		}
	}
	return true
}

// chooseKey takes the key by which the rows are kept, else the usable unique key with the
// fewest columns.
func chooseKey(t *Info) *Key {
	var best *Key
	d, _ := Parse(t.Create) // one that cannot be read has no such key
	first, _ := d.clustered()
	for i := range t.Keys {
		k := &t.Keys[i]
		if !k.usable() {
			continue
		}
		if k.Name == "PRIMARY" || k.Name == first.Name {
			return k
		}
		if best == nil || len(k.Columns) < len(best.Columns) {
			best = k
		}
	}
	return best
}

// SameKey finds the usable key of t that has the same columns in the same order.
func (t *Info) SameKey(k *Key) *Key {
	for i := range t.Keys {
		if o := &t.Keys[i]; o.usable() && slices.EqualFunc(o.Names(), k.Names(), strings.EqualFold) {
			return o
		}
	}
	return nil
}
