package sqlhandler

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/table"
)

// trial is what the store made of a statement on an empty copy of its table.
type trial struct {
	before, after string // SHOW CREATE TABLE
	warnings      []protocol.Warning
}

// unchanged says that the statement has nothing to do (IF NOT EXISTS).
func (t trial) unchanged() bool { return t.before == t.after }

// errUnknown: this server does not know the statement. Its error would quote the
// name of the copy, and may cut it off anywhere.
var errUnknown = errors.New("the statement is not of the store's language")

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
	defer func() { _ = conn.Raw(func(any) error { return driver.ErrBadConn }) }()

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
		if errors.As(err, &me) && me.Number == 1064 {
			return t, errUnknown
		}
		if me != nil {
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

// sweepEvery is how often scratch tables are looked for whose node was killed.
const sweepEvery = 3 * time.Second

// sweepScratch drops the scratch tables of nodes that are gone, until ctx ends.
// A table must be found twice: a node that has just started may not yet be
// among the live ones.
func (h *Handler) sweepScratch(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	before := map[string]bool{}
	for {
		left, err := h.leftScratch(ctx)
		if err != nil && ctx.Err() == nil {
			h.log.Debug("scratch tables could not be listed", zap.Error(err))
		}
		now := map[string]bool{}
		for _, name := range left {
			now[name] = true
			if !before[name] {
				continue
			}
			if err := h.dropScratch(ctx, name); err != nil {
				h.log.Debug("scratch table could not be dropped", zap.String("table", name), zap.Error(err))
			} else {
				h.log.Info("dropped the scratch table of a node that is gone", zap.String("table", name))
			}
		}
		before = now
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// dropScratch does not wait for long: a node that is only frozen may be using it.
func (h *Handler) dropScratch(ctx context.Context, name string) error {
	s, err := table.OpenSession(ctx, h.sql, "SET SESSION lock_wait_timeout = 1")
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.ExecContext(ctx, "DROP TABLE IF EXISTS "+table.Quote(h.schema, name))
	return err
}

// leftScratch lists the scratch tables of nodes that are not alive.
func (h *Handler) leftScratch(ctx context.Context) ([]string, error) {
	const scratchSQL = `SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_name LIKE 'scratch\_%'`
	rows, err := h.sql.QueryContext(ctx, scratchSQL, h.schema)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil || len(names) == 0 {
		return nil, err
	}
	nodes, err := h.jobs.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		for _, n := range append(nodes, h.node) {
			if strings.HasPrefix(name, "scratch_"+n.UUID+"_") {
				return true
			}
		}
		return false
	}), nil
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
