package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"dxfproxy/server"
)

// ErrNoTable is returned by Load when there is no such base table.
var ErrNoTable = errors.New("no such table")

// Info is a table as it was when it was loaded.
type Info struct {
	Schema string
	Name   string
	Engine string

	Columns []Column // in ordinal order, invisible and generated ones included
	Keys    []Key    // unique keys, PRIMARY first
	CopyKey *Key     // the key the table is cut by; nil: there is none that serves

	Rows          int64 // the server's estimate
	DataLength    int64 // bytes of the clustered index, an estimate
	RowLength     int64 // average bytes of a row, an estimate
	AutoIncrement uint64

	Partitioned bool
	Versioned   bool
	Triggers    []string
	Parents     []ForeignKey // this table is the child
	Children    []ForeignKey // this table is the parent

	Create      string // SHOW CREATE TABLE
	Fingerprint string // of Create, see Fingerprint
}

// Quoted is the table's name for SQL: `schema`.`name`.
func (t *Info) Quoted() string { return server.Quote(t.Schema, t.Name) }

// Column finds a column by name (as case-insensitively as the server does).
func (t *Info) Column(name string) (Column, bool) {
	for _, c := range t.Columns {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return Column{}, false
}

// AutoIncrementColumn is the name of the AUTO_INCREMENT column; "" when there is none.
func (t *Info) AutoIncrementColumn() string {
	for _, c := range t.Columns {
		if c.AutoIncrement {
			return c.Name
		}
	}
	return ""
}

const selectTable = `SELECT TABLE_TYPE, COALESCE(ENGINE, ''), COALESCE(TABLE_ROWS, 0), COALESCE(DATA_LENGTH, 0),
	COALESCE(AVG_ROW_LENGTH, 0), COALESCE(AUTO_INCREMENT, 0), LOCATE('partitioned', COALESCE(CREATE_OPTIONS, '')) > 0
FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`

// Load reads a table from information_schema and SHOW CREATE TABLE. It answers
// ErrNoTable for names that are not base tables.
func Load(ctx context.Context, q server.Querier, schema, name string) (*Info, error) {
	t, err := Glance(ctx, q, schema, name)
	if err != nil {
		return nil, err
	}
	return t, t.Complete(ctx, q)
}

// Glance is Load of the name, the sizes and the definition as text alone: two questions
// instead of seven, for who needs no more, or not yet (see Complete).
func Glance(ctx context.Context, q server.Querier, schema, name string) (*Info, error) {
	t := &Info{Schema: schema, Name: name}
	var kind string
	err := q.QueryRowContext(ctx, selectTable, schema, name).
		Scan(&kind, &t.Engine, &t.Rows, &t.DataLength, &t.RowLength, &t.AutoIncrement, &t.Partitioned)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%s.%s: %w", schema, name, ErrNoTable)
	}
	if err != nil {
		return nil, fmt.Errorf("load table %s.%s: %w", schema, name, err)
	}
	switch kind {
	case "BASE TABLE":
	case "SYSTEM VERSIONED":
		t.Versioned = true
	default:
		return nil, fmt.Errorf("%s.%s is a %s: %w", schema, name, strings.ToLower(kind), ErrNoTable)
	}
	if err := t.loadCreate(ctx, q); err != nil {
		return nil, fmt.Errorf("load table %s.%s: %w", schema, name, err)
	}
	return t, nil
}

// Complete reads the rest of what Glance has left out.
func (t *Info) Complete(ctx context.Context, q server.Querier) error {
	for _, load := range []func(context.Context, server.Querier) error{t.loadColumns, t.loadKeys, t.loadTriggers, t.loadForeignKeys} {
		if err := load(ctx, q); err != nil {
			return fmt.Errorf("load table %s.%s: %w", t.Schema, t.Name, err)
		}
	}
	t.CopyKey = chooseKey(t)
	return nil
}

const selectTriggers = `SELECT TRIGGER_NAME FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ? ORDER BY TRIGGER_NAME`

func (t *Info) loadTriggers(ctx context.Context, q server.Querier) error {
	return server.Each(ctx, q, func(r *sql.Rows) error {
		var name string
		err := r.Scan(&name)
		t.Triggers = append(t.Triggers, name)
		return err
	}, selectTriggers, t.Schema, t.Name)
}

func (t *Info) loadCreate(ctx context.Context, q server.Querier) (err error) {
	t.Create, err = ShowCreate(ctx, q, t.Schema, t.Name)
	t.Fingerprint = Fingerprint(t.Create)
	return err
}
