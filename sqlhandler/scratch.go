package sqlhandler

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/server"
	"dxfproxy/sqltext"
	"dxfproxy/table"
)

// trial is what the store made of a statement on an empty copy of its table.
type trial struct {
	after    string   // SHOW CREATE TABLE of the copy
	changes  []string // what makes the table so, see table.Difference
	language string   // lc_messages, where it is not the store's; for the job's errors
	warnings []protocol.Warning

	before, end table.Definition // of the copy
}

// unchanged says that the statement has nothing to do (IF NOT EXISTS).
func (t trial) unchanged() bool { return len(t.changes) == 0 }

// errUntold: the trial does not tell what a job would have to do. The statement
// is the client's session's, where the store knows who asks.
var errUntold = errors.New("what the statement does to the table cannot be told from a copy")

// try makes the change on an empty copy of the table, so that the store itself
// judges the statement before a job is made of it: every error it would answer
// comes at once and with its own number, and what the finished table looks like
// is known. The copy is made by the account that does the jobs' work; the
// statement runs under another, which has rights on the scratch schema alone.
//
// What the job will do is made of the two definitions of the copy. Where that is
// more than added indexes, or they may be misread, it is tried as well: another copy has to
// become the same.
func (h *Handler) try(ctx context.Context, info *table.Info, st *sqltext.AlterTable, facts sessionFacts) (t trial, err error) {
	mode, ok := plainMode(facts.sqlMode)
	if !ok {
		return t, errUntold
	}
	first, err := h.newScratch(ctx, info)
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, first.drop(ctx)) }()
	plain, err := st.Plain(first.quoted(), decoder(facts.charset))
	if err != nil {
		return t, errUntold
	}
	before, err := first.definition(ctx)
	if err != nil {
		return t, err
	}
	m, err := h.tryIt(ctx, first, plain, mode, facts, &t)
	if err != nil {
		return t, err
	}
	after, err := first.definition(ctx)
	if err != nil {
		return t, err
	}
	if m.ownChange(before, after) {
		return t, errUntold
	}
	t.after, t.before, t.end, t.language = first.text, before, after, m.language()
	t.changes, err = table.Difference(before, after, renamed(st))
	switch {
	case errors.Is(err, table.ErrDifference):
		return t, errUntold
	case err != nil:
		return t, err
	case first.named(t.changes): // MySQL names CHECK constraints after their table
		return t, errUntold
	case t.unchanged(), table.OnlyAdded(before, after) && !ownCharset.MatchString(first.text):
		return t, nil
	}
	return t, h.tryChanges(ctx, info, t.changes, after, facts)
}

// tryIt runs the statement on the first copy, on a session that is asked before what a new
// one has.
func (h *Handler) tryIt(ctx context.Context, first *scratch, plain, mode string, facts sessionFacts, t *trial) (m meaning, err error) {
	conn, err := h.openTrial(ctx)
	if err != nil {
		return m, err
	}
	defer conn.Close()
	if m, err = meaningOf(ctx, conn, facts); err != nil {
		return m, err
	}
	if m.own(first.of) {
		return m, errUntold
	}
	t.warnings, err = first.run(ctx, conn, plain, append(m.settings(), modeSetting(mode))...)
	return m, err
}

// openTrial opens a session under the account for trials; it ends when it is closed.
func (h *Handler) openTrial(ctx context.Context) (*sql.Conn, error) {
	conn, err := h.trial.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open a session for a trial: %w", err)
	}
	return conn, nil
}

// ownCharset finds texts with a character set of their own. MariaDB shows them without
// escapes: where they end is not to be relied on.
var ownCharset = regexp.MustCompile(`_[A-Za-z0-9]+'`)

// tryChanges makes the changes that a job would make on another copy, and wants
// what the statement has made of the first.
func (h *Handler) tryChanges(
	ctx context.Context, info *table.Info, changes []string, want table.Definition, facts sessionFacts,
) (err error) {
	second, err := h.newScratch(ctx, info)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.drop(ctx)) }()
	statement := table.Alter{Changes: changes}.Of(h.scratch, second.name)
	conn, err := h.openTrial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := second.run(ctx, conn, statement, modeSetting(table.ValueMode(facts.sqlMode))); err != nil {
		if context.Cause(ctx) != nil {
			return err
		}
		return errUntold
	}
	got, err := second.definition(ctx)
	if err == nil && (!table.Identical(want, got) || want.AutoIncrement != got.AutoIncrement) {
		err = errUntold
	}
	return err
}

// renamed are the columns to which the statement gives another name.
func renamed(st *sqltext.AlterTable) map[string]string {
	names := map[string]string{}
	for _, s := range st.Specs {
		if s.To != "" {
			names[strings.ToLower(s.Name)] = s.To
		}
	}
	return names
}

// A scratch is an empty copy of a table in the scratch schema.
type scratch struct {
	h    *Handler
	of   *table.Info
	name string
	text string // the last SHOW CREATE TABLE that definition has read
}

// scratchKnown is how much of a copy's name tells that it is one.
const scratchKnown = len("scratch_") + 8

// newScratch makes the copy. Its name cannot be guessed: many may try at once.
func (h *Handler) newScratch(ctx context.Context, info *table.Info) (*scratch, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("name a scratch table: %w", err)
	}
	s := &scratch{h: h, of: info, name: fmt.Sprintf("%s%x", h.scratchPrefix(h.node.UUID), random)}
	h.trying.Store(s.name, true)
	_, err := h.sql.ExecContext(ctx, fmt.Sprintf("CREATE TABLE %s LIKE %s", s.quoted(), info.Quoted()))
	if err != nil {
		h.trying.Delete(s.name) // a client that was killed meanwhile may have one all the same
	}
	var me *mysql.MySQLError
	switch {
	case errors.As(err, &me) && context.Cause(ctx) == nil:
		return nil, errUntold // an engine, or a place for its files, that our account may not use
	case err != nil:
		return nil, fmt.Errorf("copy the definition of %s.%s: %w", info.Schema, info.Name, err)
	}
	return s, nil
}

func (s *scratch) quoted() string { return server.Quote(s.h.scratch, s.name) }

func (s *scratch) drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	defer s.h.trying.Delete(s.name)
	if _, err := s.h.sql.ExecContext(ctx, "DROP TABLE IF EXISTS "+s.quoted()); err != nil {
		s.h.log.Warn("a scratch table stays behind until the next sweep", zap.String("table", s.name), zap.Error(err))
	}
	return nil
}

// dropTimeout bounds the removal of a scratch table, which a sweep does else.
const dropTimeout = 10 * time.Second

func (s *scratch) definition(ctx context.Context) (d table.Definition, err error) {
	if s.text, err = table.ShowCreate(ctx, s.h.sql, s.h.scratch, s.name); err != nil {
		return d, fmt.Errorf("read the definition of a scratch table: %w", err)
	}
	if d, err = table.Parse(s.text); err != nil {
		return d, errUntold // MariaDB shows texts with a character set of their own as they are
	}
	return d, nil
}

// named says whether the copy's own name stands in one of the changes.
func (s *scratch) named(changes []string) bool {
	return slices.ContainsFunc(changes, func(c string) bool { return strings.Contains(c, s.name) })
}

func modeSetting(mode string) string { return "SESSION sql_mode = '" + mode + "'" }

// run runs a statement about the copy on a session of the account for trials, after settings
// (SESSION name = value). An error is as if it had been about the table itself.
func (s *scratch) run(ctx context.Context, conn *sql.Conn, statement string, settings ...string) ([]protocol.Warning, error) {
	if _, err := conn.ExecContext(ctx, "SET "+strings.Join(settings, ", ")); err != nil {
		return nil, fmt.Errorf("set up a session for a trial: %w", err)
	}
	if _, err := conn.ExecContext(ctx, statement); err != nil {
		var me *mysql.MySQLError
		switch {
		case !errors.As(err, &me):
			return nil, fmt.Errorf("try the statement on an empty copy: %w", err)
		// What this server does not know it tells with the name of the copy, cut off
		// anywhere; and who may do what is for the client's own session to hear.
		case me.Number == server.ErrParse || server.Denied(me):
			return nil, errUntold
		// A name that the server makes of the table's own (MySQL's of a CHECK) is too long.
		case me.Number == server.ErrTooLongIdent && strings.Contains(me.Message, s.name[:scratchKnown]):
			return nil, errUntold
		}
		return nil, s.storeError(me)
	}
	warnings, err := showWarnings(ctx, conn)
	for i := range warnings {
		warnings[i].Message = s.ownNames(warnings[i].Message)
	}
	return warnings, err
}

// sweepEvery is how often scratch tables are looked for that nobody uses.
const sweepEvery = 3 * time.Second

// sweepScratch drops the scratch tables of nodes that are gone, and those that this one
// does not use, until ctx ends. A table must be found twice: a node that has just started may not yet be
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
				h.log.Info("dropped a scratch table that nobody uses", zap.String("table", name))
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
	s, err := server.OpenSession(ctx, h.sql, "SET SESSION lock_wait_timeout = 1")
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.ExecContext(ctx, "DROP TABLE IF EXISTS "+server.Quote(h.scratch, name))
	return err
}

// scratchPrefix is what the names of a node's scratch tables begin with. They are short
// enough for the names that MySQL makes of them for CHECK constraints.
func (h *Handler) scratchPrefix(uuid string) string {
	return "scratch_" + strings.ReplaceAll(uuid, "-", "") + "_"
}

// leftScratch lists the scratch tables of nodes that are not alive, and those of this
// node that are not in use.
func (h *Handler) leftScratch(ctx context.Context) ([]string, error) {
	const scratchSQL = `SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_name LIKE 'scratch\_%'`
	rows, err := h.sql.QueryContext(ctx, scratchSQL, h.scratch)
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
	nodes, err := h.nodes.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		if strings.HasPrefix(name, h.scratchPrefix(h.node.UUID)) {
			_, used := h.trying.Load(name)
			return used
		}
		return slices.ContainsFunc(nodes, func(n dxf.Node) bool { return strings.HasPrefix(name, h.scratchPrefix(n.UUID)) })
	}), nil
}

// storeError is the store's error as if it had been about the table itself.
func (s *scratch) storeError(e *mysql.MySQLError) *dxf.Error {
	told := server.Answer(e)
	told.Message = s.ownNames(told.Message)
	return told
}

// ownNames puts the table's names into what was said of the copy.
func (s *scratch) ownNames(text string) string {
	own := server.Quote(s.of.Schema, s.of.Name)
	return strings.NewReplacer(s.quoted(), own, s.h.scratch+"."+s.name, s.of.Schema+"."+s.of.Name, s.name, s.of.Name).Replace(text)
}

func showWarnings(ctx context.Context, conn server.Querier) ([]protocol.Warning, error) {
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
