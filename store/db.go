package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"
	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/grants"
	"dxfproxy/lifeline"
	"dxfproxy/server"
)

// Config says where the rows are.
type Config struct {
	DSN    string // user:password@tcp(host:port)/, the account of the jobs' work
	Schema string // the meta schema; empty is DefaultSchema

	// Meta is the account of the framework's own tables. None, or one that the store
	// refuses, is that of the jobs' work.
	Meta grants.Account
	// Trial is the account that may do nothing but alter what lies in the scratch
	// schema. Without one that fits there is no Trial().
	Trial grants.Account
	// Log is told which of these cannot be used. nil is silent.
	Log *zap.Logger

	// Types of tasks that the rows may be of. Of one that is not among them nothing is
	// submitted, found by its job or counted.
	Types dxf.Types

	// WorkConns is how many connections SQL() may hold. 0 is 64.
	WorkConns int
	// DialTimeout of one connection. 0 is 5 s.
	DialTimeout time.Duration
}

// DefaultSchema is the meta schema when none is named.
const DefaultSchema = "dxf"

const (
	// metaConns is plenty for transactions of a few milliseconds, and few
	// enough for many nodes to share a store's 151 connections.
	metaConns = 8
	idleTime  = time.Minute
)

// A DB is the store of one node. Its methods may be called by any goroutine.
type DB struct {
	schema string
	// Pools of their own: a heartbeat never queues behind workers for a connection.
	meta  *sqlx.DB
	work  *sql.DB
	batch *sql.DB
	trial *sql.DB // nil: no account for it
	life  life

	clients *DB // see Clients; it has none
	sights  sights
	uuids   sync.Map                  // of the nodes that were registered here, by name
	forgot  atomic.Pointer[time.Time] // when the old history was last looked for

	secret dxf.Secret
	types  dxf.Types
}

// schemaName keeps the meta schema's name free of quoting, and leaves room for that of the
// scratch schema.
var schemaName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,55}$`)

// CheckSchema says what is wrong with a name for the meta schema.
func CheckSchema(name string) error {
	if !schemaName.MatchString(name) {
		return errors.New("a letter, then letters, digits and _")
	}
	return nil
}

// Open connects to the store and makes the meta schema and its tables when
// they are missing. Any number of nodes may do so at once. It refuses with
// ErrUnreachable, ErrAccessDenied, ErrNoRights, ErrUnsupported, ErrTiDB
// or ErrNewerSchema.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Schema == "" {
		cfg.Schema = DefaultSchema
	}
	if err := CheckSchema(cfg.Schema); err != nil {
		return nil, fmt.Errorf("meta schema %q: want %w", cfg.Schema, err)
	}
	mc, err := mysql.ParseDSN(cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("read the store's DSN: %w", err)
	}
	mc.Timeout = cfg.DialTimeout
	if mc.Timeout == 0 {
		mc.Timeout = 5 * time.Second
	}
	mc.ClientFoundRows = true // "no row" means the fence did not hold, never "nothing new"
	mc.ParseTime = true
	mc.Loc = time.UTC
	mc.InterpolateParams = true
	mc.MultiStatements = false
	mc.DBName = ""
	mc.Logger = &mysql.NopLogger{} // errors are returned; the driver need not print them too

	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	db, err := open(ctx, mc, cfg)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", mc.Addr, classify(err))
	}
	return db, nil
}

// open makes what is missing in the store, and the pools of the accounts.
func open(ctx context.Context, mc *mysql.Config, cfg Config) (*DB, error) {
	version, err := askVersion(ctx, mc)
	if err != nil {
		return nil, err
	}
	l := layout(version, cfg.Schema)
	metaMC, err := metaAccount(ctx, mc, cfg, l)
	if err != nil {
		return nil, err
	}
	if err := setUp(ctx, metaMC, cfg.Schema, cfg.Types); err != nil {
		return nil, err
	}
	if err := mayCheckpoint(ctx, mc, cfg.Schema); err != nil {
		return nil, err
	}
	db := &DB{schema: cfg.Schema, types: cfg.Types}
	if db.trial, err = openTrial(ctx, mc, cfg, l); err != nil {
		return nil, err
	}
	mc, metaMC = mc.Clone(), metaMC.Clone()
	mc.DBName, metaMC.DBName = cfg.Schema, cfg.Schema
	meta, err := pool(metaMC, metaConns, cfg.Log)
	if err != nil {
		return nil, err
	}
	db.meta = sqlx.NewDb(meta, "mysql")
	conns := cfg.WorkConns
	if conns == 0 {
		conns = 64
	}
	if db.work, err = pool(mc, conns, cfg.Log); err != nil {
		return nil, err
	}
	batchMC := mc.Clone()
	batchMC.MultiStatements = true
	if db.batch, err = pool(batchMC, conns, cfg.Log); err != nil {
		return nil, err
	}
	if db.life.pool, err = pool(metaMC, 1, cfg.Log); err != nil {
		return nil, err
	}
	asked, err := pool(metaMC, metaConns, cfg.Log)
	if err != nil {
		return nil, err
	}
	db.clients = &DB{schema: db.schema, meta: sqlx.NewDb(asked, "mysql"), work: db.work, batch: db.batch, trial: db.trial, types: db.types}
	const secretSQL = `SELECT value FROM secret WHERE id = 1`
	if err := meta.QueryRowContext(ctx, secretSQL).Scan(&db.secret); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("read the nodes' secret: %w", err)
	}
	return db, nil
}

// Clients is the same store for what clients' statements ask of it, over connections of
// their own: who has nothing but a login may ask as much and as often as he likes, and no
// heartbeat stands in the queue behind him. Of no use for what nodes do among themselves.
func (db *DB) Clients() *DB { return db.clients }

// Secret is what the nodes of this meta schema know and nobody else does.
func (db *DB) Secret() dxf.Secret { return db.secret }

// Close closes all connections.
func (db *DB) Close() error {
	err := errors.Join(db.life.close(), db.meta.Close(), db.clients.meta.Close(), db.work.Close(), db.batch.Close())
	if db.trial != nil {
		err = errors.Join(err, db.trial.Close())
	}
	return err
}

// SQL is the pool for the work of workers, appliers and planning. Its
// sessions begin as package lifeline says, in the meta schema; name tables with their
// schema, and give a session back as it was: the next user gets it as it is.
func (db *DB) SQL() *sql.DB { return db.work }

// Batches is a pool like SQL(), whose sessions take several statements at once: what a
// copy does in one chunk goes to the store in one round trip. All of it is text of ours.
func (db *DB) Batches() *sql.DB { return db.batch }

// Meta is the pool of the account that owns the meta schema: what is defined there
// is defined by it.
func (db *DB) Meta() *sql.DB { return db.meta.DB }

// Trial is the pool for users' statements on empty copies in ScratchSchema, whose
// account may do nothing else; each session is used once. nil: there is no such account.
func (db *DB) Trial() *sql.DB { return db.trial }

// Schema is the name of the meta schema.
func (db *DB) Schema() string { return db.schema }

// ScratchSchema is the name of the schema of empty copies. SQL() makes and drops
// tables there, Trial() alters them.
func (db *DB) ScratchSchema() string { return grants.Scratch(db.schema) }

func pool(mc *mysql.Config, conns int, log *zap.Logger) (*sql.DB, error) {
	p, err := lifeline.Open(mc, log)
	if err != nil {
		return nil, err
	}
	p.SetMaxOpenConns(conns)
	p.SetMaxIdleConns(min(conns, 16))
	p.SetConnMaxIdleTime(idleTime)
	return p, nil
}

// here puts the meta schema in front of the tables of a statement that runs in
// a transaction of the caller's, whose session may be in any schema: for {meta}, which
// is nothing in SQL.
func (db *DB) here(query string) string {
	return strings.ReplaceAll(query, "{meta}", server.Quote(db.schema))
}

// txTries: a deadlock with another node is over at the next try; more than a
// few in a row mean something else.
const txTries = 5

// tx runs fn in a transaction. Deadlocks and lock waits are tried again, so fn
// must start from nothing each time.
func (db *DB) tx(ctx context.Context, fn func(tx *sqlx.Tx) error) error {
	return again(ctx, func() error { return db.txOnce(ctx, fn) })
}

// alone is must as a transaction of its own, in one round trip.
func (db *DB) alone(ctx context.Context, missing error, query string, args ...any) error {
	return again(ctx, func() error { return must(ctx, db.meta, missing, query, args...) })
}

// again does something until it meets no deadlock and no long wait for a lock.
func again(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if try == txTries || !server.Collided(err) {
			return err
		}
		wait := time.NewTimer(time.Duration(try)*10*time.Millisecond + rand.N(20*time.Millisecond))
		select {
		case <-ctx.Done():
			wait.Stop()
			return context.Cause(ctx)
		case <-wait.C:
		}
	}
}

func (db *DB) txOnce(ctx context.Context, fn func(tx *sqlx.Tx) error) error {
	tx, err := db.meta.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// execer is a transaction or a pool, sqlx's or database/sql's.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// change runs one UPDATE, INSERT or DELETE and returns how many rows matched.
func change(ctx context.Context, x execer, query string, args ...any) (int, error) {
	r, err := x.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// must is change where no matched row means missing.
func must(ctx context.Context, x execer, missing error, query string, args ...any) error {
	n, err := change(ctx, x, query, args...)
	if err == nil && n == 0 {
		return missing
	}
	return err
}

// Now is the store's time.
func (db *DB) Now(ctx context.Context) (time.Time, error) {
	var now time.Time
	err := db.meta.GetContext(ctx, &now, `SELECT NOW(6)`)
	return now, err
}

// storeNow is the store's time. In a transaction it need not be exact, only
// never our own.
func storeNow(ctx context.Context, tx *sqlx.Tx) (time.Time, error) {
	var now time.Time
	err := tx.GetContext(ctx, &now, `SELECT NOW(6)`)
	return now, err
}
