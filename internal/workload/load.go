package workload

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Config says how a load writes.
type Config struct {
	Table   Table
	DSNs    []string      // where to connect; a writer whose server is gone takes the next
	Writers int           // concurrent connections; 0 means 4
	Pause   time.Duration // between the transactions of one writer; 0 means none
	Seed    uint64

	// Tolerate says of an error of the server's whether clients get it without a
	// job too, as what the store does in this load: the writer tries again. nil:
	// of none.
	Tolerate func(error) bool
}

// Stats is what a load has done so far.
type Stats struct {
	Commits    int64         // acknowledged transactions
	Changes    int64         // rows inserted, updated or deleted in them
	Reconnects int64         // connections lost
	MaxLatency time.Duration // of one transaction without reconnect
}

// A Load is a running load.
type Load struct {
	cfg     Config
	cancel  context.CancelFunc
	done    sync.WaitGroup
	writers []*writer

	commits, changes, reconnects, maxLatency atomic.Int64

	mu  sync.Mutex
	err error // first error a client must not see
}

// Start begins writing. Stop must be called.
func Start(ctx context.Context, cfg Config) *Load {
	if cfg.Writers == 0 {
		cfg.Writers = 4
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{cfg: cfg, cancel: cancel}
	for i := range cfg.Writers {
		w := &writer{
			load: l, n: i, server: i % len(cfg.DSNs),
			rnd:      rand.New(rand.NewPCG(cfg.Seed, uint64(i))),
			versions: map[int64]int{},
			next:     cfg.Table.Rows + int64(cfg.Writers) - cfg.Table.Rows%int64(cfg.Writers) + int64(i),
		}
		l.writers = append(l.writers, w)
		l.done.Add(1)
		go func() {
			defer l.done.Done()
			w.run(ctx)
		}()
	}
	return l
}

// Stats tells what was done so far.
func (l *Load) Stats() Stats {
	return Stats{
		Commits: l.commits.Load(), Changes: l.changes.Load(), Reconnects: l.reconnects.Load(),
		MaxLatency: time.Duration(l.maxLatency.Load()),
	}
}

// ResetMaxLatency starts MaxLatency anew.
func (l *Load) ResetMaxLatency() { l.maxLatency.Store(0) }

// Stop ends the load after the transactions in hand and returns the first
// error a client saw that was not a lost connection.
func (l *Load) Stop() error {
	l.cancel()
	l.done.Wait()
	return l.Err()
}

// Err returns the first error a client saw that was not a lost connection.
func (l *Load) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// gone is the version of a deleted row.
const gone = -1

// A writer owns the ids that leave the remainder n when divided by the number
// of writers. Only it reads and writes its fields.
type writer struct {
	load     *Load
	n        int
	server   int // index of the DSN in use
	rnd      *rand.Rand
	versions map[int64]int // acknowledged, where not 0; gone for deleted
	last     map[int64]int // highest version ever written, so that none comes twice
	deleted  []int64
	next     int64 // id of the next new row
}

// change is one row change of a transaction.
type change struct {
	id       int64
	from, to int // versions; gone for no row
}

func (w *writer) run(ctx context.Context) {
	w.last = map[int64]int{}
	var db *sql.DB
	defer func() {
		if db != nil {
			db.Close()
		}
	}()
	for ctx.Err() == nil {
		if db == nil {
			var err error
			if db, err = open(w.load.cfg.DSNs[w.server]); err != nil {
				w.load.fail(err)
				return
			}
		}
		changes := w.plan()
		began := time.Now()
		// The transaction in hand is finished even when the load is stopped.
		outcome, err := w.transact(context.WithoutCancel(ctx), db, changes)
		switch {
		case err == nil:
			w.acknowledge(changes)
			w.observe(time.Since(began))
		case lost(err), w.load.cfg.Tolerate != nil && w.load.cfg.Tolerate(err):
			w.load.reconnects.Add(1)
			db.Close()
			db = nil
			if outcome == unknown && !w.resolve(ctx, changes) {
				return
			}
			w.server = (w.server + 1) % len(w.load.cfg.DSNs)
			pause(ctx, 50*time.Millisecond)
		default:
			w.load.fail(fmt.Errorf("writer %d: %w", w.n, err))
			return
		}
		pause(ctx, w.load.cfg.Pause)
	}
}

// plan draws one to four changes of different rows.
func (w *writer) plan() []change {
	n := int64(w.load.cfg.Writers)
	var changes []change
	taken := map[int64]bool{}
	for range 1 + w.rnd.IntN(4) {
		var c change
		switch p := w.rnd.IntN(10); {
		case p < 2: // a new row
			c = change{id: w.next, from: gone, to: 0}
			w.next += n
		case p < 3 && len(w.deleted) > 0: // a deleted row comes back
			id := w.deleted[w.rnd.IntN(len(w.deleted))]
			c = change{id: id, from: w.version(id), to: w.last[id] + 1}
		default:
			id := w.rnd.Int64N(w.next/n)*n + int64(w.n)
			if id == 0 {
				continue
			}
			c = change{id: id, from: w.version(id), to: w.last[id] + 1}
			if p == 9 {
				c.to = gone
			}
		}
		if taken[c.id] || c.from == c.to || c.from == gone && c.to == gone {
			continue
		}
		taken[c.id] = true
		changes = append(changes, c)
	}
	return changes
}

func (w *writer) version(id int64) int {
	if v, ok := w.versions[id]; ok {
		return v
	}
	if id > w.load.cfg.Table.Rows {
		return gone
	}
	return 0
}

func (w *writer) acknowledge(changes []change) {
	for _, c := range changes {
		w.versions[c.id] = c.to
		w.last[c.id] = max(w.last[c.id], c.to)
		if c.to == gone {
			w.deleted = append(w.deleted, c.id)
		} else if c.from == gone {
			for i, id := range w.deleted {
				if id == c.id {
					w.deleted = append(w.deleted[:i], w.deleted[i+1:]...)
					break
				}
			}
		}
	}
	w.load.commits.Add(1)
	w.load.changes.Add(int64(len(changes)))
}

func (w *writer) observe(d time.Duration) {
	for {
		old := w.load.maxLatency.Load()
		if int64(d) <= old || w.load.maxLatency.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// outcome of a transaction that ended with an error.
type outcome int

const (
	rolledBack outcome = iota
	unknown            // COMMIT was sent, its answer never came
)

func (w *writer) transact(ctx context.Context, db *sql.DB, changes []change) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return rolledBack, err
	}
	defer tx.Rollback()
	for _, c := range changes {
		if err := w.write(ctx, tx, c); err != nil {
			return rolledBack, err
		}
	}
	if err := tx.Commit(); err != nil {
		return unknown, err
	}
	return rolledBack, nil
}

func (w *writer) write(ctx context.Context, tx *sql.Tx, c change) error {
	t := w.load.cfg.Table
	r := t.Row(c.id, c.to)
	var res sql.Result
	var err error
	switch {
	case c.to == gone:
		res, err = tx.ExecContext(ctx, "DELETE FROM "+t.Quoted()+" WHERE id = ?", c.id)
	case c.from == gone:
		res, err = tx.ExecContext(ctx, "INSERT INTO "+t.Quoted()+
			" (id, version, customer, code, amount, created_at, note) VALUES (?, ?, ?, ?, ?, ?, ?)",
			r.ID, r.Version, r.Customer, r.Code, r.Amount, r.CreatedAt, r.Note)
	default:
		res, err = tx.ExecContext(ctx, "UPDATE "+t.Quoted()+
			" SET version = ?, customer = ?, code = ?, amount = ?, created_at = ?, note = ? WHERE id = ?",
			r.Version, r.Customer, r.Code, r.Amount, r.CreatedAt, r.Note, r.ID)
	}
	if err != nil {
		return fmt.Errorf("row %d, version %d to %d: %w", c.id, c.from, c.to, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("row %d, version %d to %d changed %d rows: %w", c.id, c.from, c.to, n, errWrongCount)
	}
	return nil
}

// resolve finds out, on any server that answers, whether the transaction with
// the unknown outcome was committed: its rows are this writer's alone, and the
// locking read waits for a commit that is still under way.
func (w *writer) resolve(ctx context.Context, changes []change) bool {
	ctx = context.WithoutCancel(ctx)
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		w.server = (w.server + 1) % len(w.load.cfg.DSNs)
		committed, err := w.committed(ctx, changes)
		if err == nil {
			if committed {
				w.acknowledge(changes)
			}
			return true
		}
		pause(ctx, 100*time.Millisecond)
	}
	w.load.fail(fmt.Errorf("writer %d: no server tells whether a transaction was committed", w.n))
	return false
}

func (w *writer) committed(ctx context.Context, changes []change) (bool, error) {
	if len(changes) == 0 {
		return true, nil
	}
	db, err := open(w.load.cfg.DSNs[w.server])
	if err != nil {
		return false, err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	c := changes[0]
	v := gone
	err = tx.QueryRowContext(ctx, "SELECT version FROM "+w.load.cfg.Table.Quoted()+" WHERE id = ? FOR UPDATE", c.id).Scan(&v)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if v != c.from && v != c.to {
		w.load.fail(fmt.Errorf("row %d: version %d, want %d or %d", c.id, v, c.from, c.to))
	}
	return v == c.to, nil
}

// lost says whether err is the loss of a connection and not a server's answer.
func lost(err error) bool {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		// 1053: shutting down; 1927: connection killed; 2003 and 2013 come from proxies.
		return e.Number == 1053 || e.Number == 1927 || e.Number == 2003 || e.Number == 2013 || e.Number == 1040
	}
	return !errors.Is(err, errWrongCount)
}

var errWrongCount = errors.New("wrong row count")

// answerLimit is from when on a connection that does not answer is lost: later than the
// servers' own limit for locks, 50 s.
const answerLimit = time.Minute

func open(dsn string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.InterpolateParams = true // one round trip for a statement
	cfg.ClientFoundRows = true
	cfg.Timeout = 5 * time.Second
	cfg.ReadTimeout = answerLimit
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	return db, nil
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
