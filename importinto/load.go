package importinto

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/source"
	"dxfproxy/table"
)

// Sizes of a chunk. A chunk is a transaction: what it needs of the server's binlog
// cache, what a cancelled import has to wait for, and what is done twice after a
// crash. Between 2 and 8 MiB made no difference to the speed, 32 MiB cost a fifth
// (2 M rows into MariaDB 10.11 on two processors).
const (
	loadTarget = 700 * time.Millisecond
	loadStart  = 4 << 20
	loadLeast  = 1 << 20
	loadMost   = 12 << 20
	// loadLanes is how many sessions load the chunks of a file: with one, a second
	// processor of the store has nothing to do.
	loadLanes = 2
)

// loadSettings: the rows are the client's, so its sql_mode and time zone are set as
// well. unique_checks stays on: MariaDB's bulk insert, which needs it off, took 14 s
// for what chunks do in 5. A frozen node's locks are freed by the server.
var loadSettings = []string{
	"SET SESSION foreign_key_checks = 0",
	"SET SESSION check_constraint_checks = 1",
	"SET SESSION idle_transaction_timeout = 10",
	"SET SESSION net_read_timeout = 10",
	"SET SESSION sql_notes = 0",
	"SET SESSION max_error_count = 1024",
}

// loader writes the chunks of one subtask, on its lanes.
type loader struct {
	*run
	columns []*column
	strict  bool
	infile  bool // the server takes LOAD DATA LOCAL
	packet  int  // bytes that a statement may have
	pace    *executor.Pace
	lanes   int64
	size    atomic.Int64 // bytes of the next chunks
	counted atomic.Bool  // the server numbers the rows of the table that is loaded, if they need it

	mu    sync.Mutex // guards what follows, and the run's summary
	sizer executor.ChunkSizer
}

// load loads the subtask's pieces into the staging table.
//
// Each chunk is one transaction: the rows, and the checkpoint behind them. So
// every row arrives exactly once, whatever dies. Two sessions load, each the next
// chunk, but they commit in the order of the file.
func (r *run) load(ctx context.Context) error {
	pieces, err := r.pieces()
	if err != nil {
		return err
	}
	at, err := r.resume()
	if err != nil || at.All {
		return err
	}
	conn, err := r.loadSession(ctx)
	if err != nil {
		return err
	}
	defer conn.End(ctx)
	l := &loader{run: r, strict: strict(r.meta.SQLMode), pace: r.Pace(r.Task.ID), lanes: loadLanes}
	const selectLimits = `SELECT @@GLOBAL.local_infile, @@GLOBAL.max_allowed_packet`
	if err := conn.QueryRowContext(ctx, selectLimits).Scan(&l.infile, &l.packet); err != nil {
		return fmt.Errorf("ask what the server takes: %w", err)
	}
	if l.columns, err = r.columns(ctx, conn); err != nil {
		return err
	}
	info, err := table.Load(ctx, conn, r.meta.Schema, r.meta.Loaded())
	if err != nil {
		return err
	}
	l.counted.Store(r.meta.Uncounted == "" || info.AutoIncrementColumn() != "")
	names := executor.ChunkTurns(r.meta.JobID, r.Subtask.Ordinal, r.meta.Processors, info)
	if conn.Family == server.MySQL {
		// It keeps the counter beside the pages: two at a time took 6.7 s for what one
		// alone did in 13.
		names = executor.TurnNames(r.meta.Processors, r.Subtask.Ordinal)
	}
	n := r.worker.loading.Add(1)
	defer r.worker.loading.Add(-1)
	if n > 1 || len(names) == 1 || r.meta.MaxWriteSpeed > 0 {
		l.lanes = 1 // other subtasks load beside this one, or nobody may
	}
	l.sizer = executor.ChunkSizer{Target: loadTarget, Rows: min(max(l.pace.Rows.Load(), loadStart), loadMost)}
	l.resize(n)

	location, err := Location(r.worker.Key, r.meta)
	if err != nil {
		return err
	}
	src, err := source.Open(ctx, r.worker.Sources, location)
	if err != nil {
		return err
	}
	defer src.Close()
	p := newProducer(r, l, src, pieces, at)
	if p.zone, err = r.location(ctx, conn); err != nil {
		return err
	}
	if p.server, err = serverOf(ctx, conn); err != nil {
		return err
	}
	p.held = &holding{memory: r.worker.memory, waiting: l.tell}
	defer p.held.release()
	return l.loadAll(ctx, p, conn, names)
}

// loadAll reads with p and loads on all lanes, until the pieces are done. The first lane has
// conn, each other one a session of its own; all take turns by names.
func (l *loader) loadAll(ctx context.Context, p *producer, conn *server.Session, names []string) error {
	all, allCtx := errgroup.WithContext(ctx)
	var read error
	all.Go(func() error { read = p.read(allCtx); return nil }) // after what was read before
	for i := range l.lanes {
		ln := &lane{loader: l, conn: conn, turns: l.Worker.Turns(slices.Clone(names))}
		all.Go(func() error {
			if i > 0 {
				conn, err := l.loadSession(allCtx)
				if err != nil {
					return err
				}
				defer conn.End(allCtx)
				ln.conn = conn
			}
			return ln.run(allCtx, p)
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return read
}

// sqlMode is what the rows are loaded under: the client's. Dumps are written for
// NO_AUTO_VALUE_ON_ZERO, which mysqldump sets in their first lines: a 0 in an
// AUTO_INCREMENT column is a 0 there, and no number to come.
func (r *run) sqlMode() string {
	const keepZero = "NO_AUTO_VALUE_ON_ZERO"
	switch {
	case r.meta.Format != "sql":
		return r.meta.SQLMode
	case r.meta.SQLMode == "":
		return keepZero
	}
	return r.meta.SQLMode + "," + keepZero
}

// loadSession opens a session with the client's settings.
func (r *run) loadSession(ctx context.Context) (*server.Session, error) {
	s, err := server.OpenSession(ctx, r.DB, append(slices.Clone(loadSettings),
		"SET SESSION sql_mode = "+server.Text(r.sqlMode()), "SET SESSION time_zone = "+server.Text(r.zone()))...)
	return s, server.ClientError(err, r.meta.Table)
}

// zone is the client's time zone.
func (r *run) zone() string {
	if r.meta.TimeZone == "" {
		return "SYSTEM"
	}
	return r.meta.TimeZone
}

// resize fits the size of the next chunks to the memory and the settings.
func (l *loader) resize(loading int64) {
	most := min(max(l.worker.memory.chunks()/(l.lanes+1)/max(loading, 1), loadLeast), loadMost)
	if speed := l.meta.MaxWriteSpeed; speed > 0 {
		// At most a quarter of a second's worth, so that the speed is even.
		most = min(most, max(speed/4, 64<<10))
	}
	l.sizer.Cap = most
	l.sizer.Rows = min(l.sizer.Rows, most)
	l.size.Store(l.sizer.Rows)
}

// refused is the server's word about a row of a chunk; row is -1 if it does not
// say which.
type refused struct {
	row int
	err error
}

func (r *refused) Error() string { return r.err.Error() }
func (r *refused) Unwrap() error { return r.err }

// rowsOf writes the rows under the time zone of their values. Afterwards the session
// is in UTC, so that no lease is reckoned in an hour that comes twice.
func (l *loader) rowsOf(ctx context.Context, tx *sql.Tx, c *chunk) error {
	if _, err := tx.ExecContext(ctx, "SET SESSION time_zone = "+server.Text(l.zoneOf(c))); err != nil {
		return server.ClientError(err, l.meta.Table)
	}
	if err := table.Hold(ctx, tx, c.layout.table); err != nil {
		return err
	}
	write := l.infileRows
	if !l.infile || c.layout.listed {
		write = l.insertRows
	}
	if err := write(ctx, tx, c); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "SET SESSION time_zone = '+00:00'")
	return err
}

func (l *loader) zoneOf(c *chunk) string {
	if c.zone == "" {
		return "SYSTEM"
	}
	return c.zone
}

var readers atomic.Int64 // names of streams

// infileRows writes the rows by LOAD DATA LOCAL. It turns errors to warnings and
// skips duplicates: both are looked for.
func (l *loader) infileRows(ctx context.Context, tx *sql.Tx, c *chunk) error {
	name := fmt.Sprintf("dxf%d", readers.Add(1))
	mysql.RegisterReaderHandler(name, func() io.Reader { return bytes.NewReader(c.data) })
	defer mysql.DeregisterReaderHandler(name)
	res, err := tx.ExecContext(ctx, c.layout.loadStatement(name, c.data))
	if err != nil {
		return asRefused(err, 0)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	w, row, err := l.warning(ctx, tx)
	switch {
	case err != nil:
		return err
	case int(n) != len(c.rows):
		if w == nil {
			w = dxf.Errorf("%d of %d rows were not taken", len(c.rows)-int(n), len(c.rows))
		}
		if w.Code != server.ErrDupEntry {
			row = -1 // there were too many warnings for the one that counts
		}
		return &refused{row, w}
	case w != nil && l.strict:
		return &refused{row, w}
	}
	return nil
}

// warning returns the worst of what the server had to say about the rows: a
// duplicate, else the first. Notes are switched off.
func (l *loader) warning(ctx context.Context, tx *sql.Tx) (first *dxf.Error, row int, err error) {
	rows, err := tx.QueryContext(ctx, "SHOW WARNINGS")
	if err != nil {
		return nil, -1, fmt.Errorf("read the warnings: %w", err)
	}
	defer rows.Close()
	row = -1
	for rows.Next() {
		var level, message string
		var code uint16
		if err := rows.Scan(&level, &code, &message); err != nil {
			return nil, -1, err
		}
		if level == "Note" || first != nil && code != server.ErrDupEntry {
			continue
		}
		first, row = &dxf.Error{Code: code, State: "HY000", Message: message}, atRow(message)
		if code == server.ErrDupEntry {
			first.State = "23000"
			break
		}
	}
	return first, row, rows.Err()
}

// asRefused says whether an error of the statement is about the rows; first is the
// number of the statement's first row.
func asRefused(err error, first int) error {
	var e *mysql.MySQLError
	if !errors.As(err, &e) || server.Passes(err) {
		return err
	}
	row := atRow(e.Message)
	if row >= 0 {
		row += first
	}
	return &refused{row, err}
}
