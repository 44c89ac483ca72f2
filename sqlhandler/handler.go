// Package sqlhandler says what a statement is and answers it: forwards it to
// the store, submits it as a job, shows and cancels jobs, sets and shows the
// framework's variables. It decides with the privileges of the client, by
// asking the client's own session in the store.
package sqlhandler

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/seal"
	"dxfproxy/source"
	"dxfproxy/sqltext"
)

// Config is what a Handler stands on.
type Config struct {
	Store  Store
	SQL    *sql.DB // the account that does the jobs' work
	Meta   *sql.DB // the account of the meta schema, which makes views there; nil: SQL's
	Schema string  // the meta schema
	// Trial is an account that can do nothing but change tables of the schema
	// Scratch. nil: no statement becomes a job, for none can be tried.
	Trial   *sql.DB
	Scratch string
	Node    dxf.Node
	Role    string // the node's service scope at the start
	Wake    func() // tells all nodes that there is something new; nil: polling finds it
	// SetRole is told when the node's service scope is changed by SQL.
	SetRole func(role string)
	// Key seals the secrets of imports. nil: there may be none.
	Key *seal.Key
	// Sources says what imports may read; nil is the strictest policy.
	Sources *source.Policy
	Log     *zap.Logger
}

// Handler answers the statements of all sessions of a node.
type Handler struct {
	jobs    Jobs
	imports Imports
	nodes   Nodes
	sql     *sql.DB
	meta    *sql.DB
	schema  string
	trial   *sql.DB
	scratch string
	node    dxf.Node
	wakeAll func()
	setRole func(string)
	key     *seal.Key
	sources *source.Policy
	log     *zap.Logger
	trying  sync.Map // names of the scratch tables that are in use here
	vars    *globals
	changed *signal
	history *history
}

// New makes a Handler. Run must be running for it to see what other nodes set.
func New(cfg Config) *Handler {
	h := &Handler{
		jobs: cfg.Store, imports: cfg.Store, nodes: cfg.Store, sql: cfg.SQL, schema: cfg.Schema,
		trial: cfg.Trial, scratch: cfg.Scratch, node: cfg.Node,
		wakeAll: cfg.Wake, setRole: cfg.SetRole, key: cfg.Key, sources: cfg.Sources, log: cfg.Log,
		vars: newGlobals(cfg.Store, cfg.Role), changed: newSignal(), history: newHistory(),
	}
	if h.meta = cfg.Meta; h.meta == nil {
		h.meta = h.sql
	}
	if h.wakeAll == nil {
		h.wakeAll = func() {}
	}
	if h.setRole == nil {
		h.setRole = func(string) {}
	}
	return h
}

// Run keeps the global variables fresh and scratch tables few until ctx ends.
func (h *Handler) Run(ctx context.Context) error {
	h.makeVariablesInfo(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.vars.run(ctx, h.log) })
	g.Go(func() error { return h.sweepScratch(ctx) })
	g.Go(func() error { return h.history.run(ctx, h.awaited, h.record) })
	return g.Wait()
}

// Wake tells sessions that wait for a job that something may have changed.
func (h *Handler) Wake() { h.changed.broadcast() }

var (
	_ protocol.Handler        = (*Handler)(nil)
	_ protocol.SeveralMatcher = (*Handler)(nil)
)

// Match implements protocol.Handler.
func (h *Handler) Match(text []byte, status protocol.StatusFlags) bool {
	return sqltext.Match(text)
}

// MatchSeveral implements protocol.SeveralMatcher.
func (h *Handler) MatchSeveral(text []byte, status protocol.StatusFlags) bool {
	return sqltext.MatchSeveral(text, mode(status))
}

// Handle implements protocol.Handler.
func (h *Handler) Handle(ctx context.Context, c *protocol.Conn, stmt protocol.Statement) protocol.Reply {
	reply, err := h.answer(ctx, c, stmt)
	if err != nil {
		return h.refuse(ctx, stmt, err)
	}
	return reply
}

// refuse turns an error into the packet the client gets. Errors with a number
// go out as they are; others are ours to explain, and are logged.
func (h *Handler) refuse(ctx context.Context, stmt protocol.Statement, err error) protocol.Reply {
	var pe *protocol.Error
	if errors.As(err, &pe) {
		return pe
	}
	var de *dxf.Error
	if errors.As(err, &de) {
		return packet(de)
	}
	if cause := context.Cause(ctx); cause != nil {
		return interruption(cause)
	}
	h.log.Warn("statement could not be answered", zap.String("statement", loggable(stmt.SQL)), zap.Error(err))
	return packet(dxf.Errorf("dxfproxy: %s", err))
}

// packet is a client's view of an error.
func packet(e *dxf.Error) *protocol.Error {
	return &protocol.Error{Code: e.Code, State: e.State, Message: e.Message}
}

// loggable is the beginning of a statement without the secrets in it.
func loggable(sql []byte) string {
	return string(head([]byte(source.MaskText(string(sql))), 200))
}

func head(b []byte, n int) []byte {
	if len(b) > n {
		return b[:n]
	}
	return b
}

// query runs a statement of ours on the client's own session. An ERR of the
// store comes back as *protocol.Error, to be passed on as it is.
func query(ctx context.Context, c *protocol.Conn, format string, args ...any) (*protocol.ResultSet, error) {
	return c.Query(ctx, fmt.Sprintf(format, args...))
}

// field is a value of a result set as text; "" for NULL.
func field(rs *protocol.ResultSet, row, col int) string {
	if row < len(rs.Rows) && col < len(rs.Rows[row]) {
		if s, ok := rs.Rows[row][col].(string); ok {
			return s
		}
	}
	return ""
}

// code is the number of the store's error, 0 for other errors.
func code(err error) uint16 {
	var e *protocol.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// message is the text of the store's error, "" for other errors.
func message(err error) string {
	var e *protocol.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return ""
}
