package table

import (
	"context"
	"database/sql"

	"dxfproxy/server"
)

// ForeignKey is a foreign key with this table at one end.
type ForeignKey struct {
	Name          string
	Schema, Table string // the child
	ParentSchema  string
	ParentTable   string
	OnUpdate      string // CASCADE, SET NULL, SET DEFAULT, RESTRICT, NO ACTION
	OnDelete      string
}

const selectForeignKeys = `SELECT CONSTRAINT_NAME, CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME,
	UPDATE_RULE, DELETE_RULE
FROM information_schema.REFERENTIAL_CONSTRAINTS`

func (t *Info) loadForeignKeys(ctx context.Context, q server.Querier) error {
	scan := func(to *[]ForeignKey) func(*sql.Rows) error {
		return func(r *sql.Rows) error {
			var f ForeignKey
			err := r.Scan(&f.Name, &f.Schema, &f.Table, &f.ParentSchema, &f.ParentTable, &f.OnUpdate, &f.OnDelete)
			*to = append(*to, f)
			return err
		}
	}
	err := server.Each(ctx, q, scan(&t.Parents), selectForeignKeys+` WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?`, t.Schema, t.Name)
	if err != nil {
		return err
	}
	if any, err := t.isParent(ctx, q); err == nil && !any {
		return nil
	}
	return server.Each(ctx, q, scan(&t.Children),
		selectForeignKeys+` WHERE UNIQUE_CONSTRAINT_SCHEMA = ? AND REFERENCED_TABLE_NAME = ?`, t.Schema, t.Name)
}

// InnoDB's own list is read in one go, while the search by parent above opens
// every table of the server. It needs the privilege PROCESS, and on MySQL it
// has another name; without it the slow way is taken.
const countChildren = `SELECT COUNT(*) FROM information_schema.INNODB_SYS_FOREIGN
WHERE REF_NAME = CONCAT(CAST(CONVERT(? USING filename) AS BINARY), '/', CAST(CONVERT(? USING filename) AS BINARY))`

func (t *Info) isParent(ctx context.Context, q server.Querier) (bool, error) {
	var n int
	err := q.QueryRowContext(ctx, countChildren, t.Schema, t.Name).Scan(&n)
	return n > 0, err
}
