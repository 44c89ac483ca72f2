package sqlhandler

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
)

// trial is what the store made of a statement on an empty copy of its table.
type trial struct {
	before, after string // SHOW CREATE TABLE
	warnings      []protocol.Warning
}

// unchanged says that the statement has nothing to do (IF NOT EXISTS).
func (t trial) unchanged() bool { return t.before == t.after }

var scratchNumber atomic.Uint64

// try makes the change on an empty copy of the table in the meta schema, so
// that the store itself judges the statement before a job is made of it: every
// error it would answer comes at once and with its own number, and what the
// finished table looks like is known. at is the span of the table reference in
// text.
func (h *Handler) try(ctx context.Context, schema, table string, text []byte, at [2]int, facts sessionFacts) (t trial, err error) {
	conn, err := h.sql.Conn(ctx)
	if err != nil {
		return t, fmt.Errorf("connect to the store: %w", err)
	}
	// The session's settings are the client's: it must not go back to the pool.
	defer conn.Close()
	defer conn.Raw(func(any) error { return driver.ErrBadConn })

	name := fmt.Sprintf("%s.%s", quoteName(h.schema), quoteName(fmt.Sprintf("scratch_%s_%d", h.node.UUID, scratchNumber.Add(1))))
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("CREATE TABLE %s LIKE %s.%s", name, quoteName(schema), quoteName(table))); err != nil {
		return t, fmt.Errorf("copy the definition of %s.%s: %w", schema, table, err)
	}
	defer func() {
		if _, dropErr := conn.ExecContext(context.WithoutCancel(ctx), "DROP TABLE IF EXISTS "+name); dropErr != nil {
			err = errors.Join(err, fmt.Errorf("drop the scratch table %s: %w", name, dropErr))
		}
	}()
	if t.before, err = showCreate(ctx, conn, name); err != nil {
		return t, err
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("SET SESSION sql_mode = %s, character_set_client = %s",
		quoteText(facts.sqlMode), quoteText(facts.charset))); err != nil {
		return t, fmt.Errorf("set the session as the client's: %w", err)
	}
	if _, err := conn.ExecContext(ctx, replaceSpan(text, at, name)); err != nil {
		var me *mysql.MySQLError
		if errors.As(err, &me) {
			return t, storeError(me, name, schema, table)
		}
		return t, fmt.Errorf("try the statement on an empty copy: %w", err)
	}
	if t.warnings, err = showWarnings(ctx, conn); err != nil {
		return t, err
	}
	t.after, err = showCreate(ctx, conn, name)
	return t, err
}

// replaceSpan puts name in the place of the table reference.
func replaceSpan(text []byte, at [2]int, name string) string {
	return string(text[:at[0]]) + name + string(text[at[1]:])
}

// storeError is the store's error as if it had been about the table itself.
func storeError(e *mysql.MySQLError, scratch, schema, table string) *dxf.Error {
	bare := strings.NewReplacer("`", "").Replace(scratch)
	_, short, _ := strings.Cut(bare, ".")
	text := strings.NewReplacer(scratch, quoteName(schema)+"."+quoteName(table), bare, schema+"."+table, short, table).Replace(e.Message)
	return &dxf.Error{Code: e.Number, State: string(e.SQLState[:]), Message: text}
}

func showCreate(ctx context.Context, conn *sql.Conn, name string) (string, error) {
	var n, text string
	if err := conn.QueryRowContext(ctx, "SHOW CREATE TABLE "+name).Scan(&n, &text); err != nil {
		return "", fmt.Errorf("read the definition of the scratch table: %w", err)
	}
	return text, nil
}

func showWarnings(ctx context.Context, conn *sql.Conn) ([]protocol.Warning, error) {
	rows, err := conn.QueryContext(ctx, "SHOW WARNINGS")
	if err != nil {
		return nil, fmt.Errorf("read the warnings of the trial: %w", err)
	}
	defer rows.Close()
	var ws []protocol.Warning
	for rows.Next() {
		var w protocol.Warning
		if err := rows.Scan(&w.Level, &w.Code, &w.Message); err != nil {
			return nil, fmt.Errorf("read the warnings of the trial: %w", err)
		}
		ws = append(ws, w)
	}
	return ws, rows.Err()
}
