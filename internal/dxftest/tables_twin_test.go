package dxftest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// shape is a table and how clients write to it.
type shape struct {
	name    string     // of the test
	table   string     // x when empty
	columns string     // definitions of the key's columns, and of others nobody writes to
	keys    string     // key definitions
	options string     // what follows the brackets
	key     []string   // names of the key's columns
	values  [][]string // expressions for them, with ? for the row's number; an update may change one list into another
	payload []payload  // the columns that are written; a and b when nil
	set     string     // SET of every session that writes; "" for none
	alter   string     // what is tested; two indexes on a and b when empty
	rows    int        // at the start; 20,000 when 0
}

// payload is a column with a value for every taste.
type payload struct {
	name, typ string
	value     func(*rand.Rand) string // an SQL expression
}

var plainPayload = []payload{
	{"a", "INT", func(r *rand.Rand) string { return strconv.Itoa(r.IntN(1000)) }},
	{"b", "VARCHAR(60) CHARACTER SET utf8mb4", func(r *rand.Rand) string {
		return [...]string{"NULL", "''", "LEFT(SHA2(" + strconv.Itoa(r.IntN(1e6)) + ", 256), 32)", "CONCAT('ü😀', " + strconv.Itoa(r.IntN(100)) + ")"}[r.IntN(4)]
	}},
}

// twins are a table of a shape and another one that gets exactly the same
// statements in the same transactions, but is never touched by a job.
type twins struct {
	*house
	shape
	seed  uint64
	names [2]string // quoted

	clients sync.WaitGroup
	stop    context.CancelFunc
	commits atomic.Int64
	mu      sync.Mutex
	err     error
}

// newTwins makes and fills both tables.
func newTwins(h *house, s shape) *twins {
	h.Helper()
	if s.table == "" {
		s.table = "x"
	}
	if s.payload == nil {
		s.payload = plainPayload
	}
	if s.alter == "" {
		s.alter = "ADD INDEX by_a (a), ADD INDEX by_b (b(10), a)"
	}
	if s.rows == 0 {
		s.rows = 20_000
	}
	w := &twins{house: h, shape: s, seed: firstSeed(h.T), names: [2]string{"`" + s.table + "`", "`the twin`"}}
	h.Logf("DXFPROXY_SEED=%d", w.seed)
	defs := []string{s.columns}
	for _, p := range s.payload {
		defs = append(defs, p.name+" "+p.typ)
	}
	h.Cleanup(func() {
		for _, n := range w.names {
			_, _ = h.direct.Exec("DROP TABLE IF EXISTS " + n)
		}
	})
	execute(h.T, h.direct, fmt.Sprintf("CREATE TABLE %s (%s, %s) ENGINE=InnoDB %s", w.names[0], strings.Join(defs, ", "), s.keys, s.options))
	c := w.connect("")
	defer c.Close()
	_, err := c.ExecContext(h.Context(), "SET timestamp = 1000000000")
	require.NoError(h, err)
	rnd := rand.New(rand.NewPCG(w.seed, 99))
	for first := 1; first <= s.rows; first += 500 {
		var rows []string
		for n := first; n < first+500 && n <= s.rows; n++ {
			rows = append(rows, "("+strings.Join(append(w.at(n, 0), w.draw(rnd)...), ", ")+")")
		}
		_, err := c.ExecContext(h.Context(), "INSERT INTO "+w.names[0]+" ("+w.columnList()+") VALUES "+strings.Join(rows, ", "))
		require.NoError(h, err)
	}
	execute(h.T, h.direct, "CREATE TABLE "+w.names[1]+" LIKE "+w.names[0])
	_, err = c.ExecContext(h.Context(), "INSERT INTO "+w.names[1]+" ("+w.columnList()+") SELECT "+w.columnList()+" FROM "+w.names[0])
	require.NoError(h, err)
	return w
}

// connect opens a session of a client: at addr, or at the store itself.
func (w *twins) connect(addr string) *sql.Conn {
	w.Helper()
	dsn := srv.DSN()
	if addr != "" {
		dsn = "root@tcp(" + addr + ")/"
	}
	cfg, err := mysql.ParseDSN(dsn + w.schema)
	require.NoError(w, err)
	cfg.ClientFoundRows = true
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	require.NoError(w, err)
	db := sql.OpenDB(connector)
	w.Cleanup(func() { db.Close() })
	c, err := db.Conn(w.Context())
	require.NoError(w, err)
	if w.set != "" {
		_, err := c.ExecContext(w.Context(), w.set)
		require.NoError(w, err)
	}
	return c
}

// at is the key of row n in a variant.
func (w *twins) at(n, variant int) []string {
	var out []string
	for _, v := range w.values[variant] {
		out = append(out, strings.ReplaceAll(v, "?", strconv.Itoa(n)))
	}
	return out
}

func (w *twins) draw(rnd *rand.Rand) []string {
	var out []string
	for _, p := range w.payload {
		out = append(out, p.value(rnd))
	}
	return out
}

func (w *twins) columnList() string {
	names := append([]string(nil), w.key...)
	for _, p := range w.payload {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

func (w *twins) where(n, variant int) string {
	var terms []string
	for i, v := range w.at(n, variant) {
		terms = append(terms, w.key[i]+" = "+v)
	}
	return strings.Join(terms, " AND ")
}

// start begins writing: by every node, and by one client that knows of none.
func (w *twins) start() {
	ctx, cancel := context.WithCancel(w.Context())
	w.stop = cancel
	addrs := []string{""}
	for _, n := range w.nodes {
		addrs = append(addrs, n.Addr)
	}
	for i, addr := range addrs {
		c := w.connect(addr)
		w.clients.Add(1)
		go func() {
			defer w.clients.Done()
			defer c.Close()
			if err := w.write(ctx, c, i, len(addrs)); err != nil {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.err = errors.Join(w.err, fmt.Errorf("client %d: %w", i, err))
			}
		}()
	}
}

// finish ends the writing after the transactions in hand.
func (w *twins) finish() {
	w.Helper()
	w.stop()
	w.clients.Wait()
	require.NoError(w, w.err)
}

// readCommitted are sessions that lock no gaps: of these, each with rows of its own, none is
// a deadlock's victim unless a job is in it.
const readCommitted = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

// gone is the variant of a row that is not there.
const gone = -1

// write changes the rows that leave the remainder i when divided by n.
func (w *twins) write(ctx context.Context, c *sql.Conn, i, n int) error {
	rnd := rand.New(rand.NewPCG(w.seed, uint64(i)))
	variants := map[int]int{} // where not 0
	top := w.rows + 2*n - w.rows%n
	for beyond := w.rows + 1; beyond < top; beyond++ {
		variants[beyond] = gone
	}
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
		changed := map[int]int{}
		var statements []string
		for range 1 + rnd.IntN(3) {
			row := rnd.IntN(top/n)*n + i
			if rnd.IntN(5) == 0 {
				row = top + i
				top += n
				variants[row] = gone
			}
			if _, twice := changed[row]; twice || row == 0 {
				continue
			}
			was := variants[row]
			statement, now := w.change(rnd, row, was)
			statements = append(statements, statement)
			changed[row] = now
		}
		err := w.transact(context.WithoutCancel(ctx), c, 1e9+rnd.IntN(7e8), statements)
		var e *mysql.MySQLError
		if errors.As(err, &e) && e.Number == 1213 && w.set != readCommitted {
			continue // two clients of the twin's gaps
		}
		if err != nil {
			return err
		}
		for row, v := range changed {
			variants[row] = v
		}
		w.commits.Add(1)
	}
}

// change is a statement, with %s for the table, and the row's variant after it.
func (w *twins) change(rnd *rand.Rand, row, was int) (string, int) {
	if was == gone {
		v := rnd.IntN(len(w.values))
		verb := [...]string{"INSERT", "REPLACE"}[rnd.IntN(2)]
		return verb + " INTO %s (" + w.columnList() + ") VALUES (" + strings.Join(append(w.at(row, v), w.draw(rnd)...), ", ") + ")", v
	}
	if rnd.IntN(6) == 0 {
		return "DELETE FROM %s WHERE " + w.where(row, was), gone
	}
	var set []string
	now := was
	if rnd.IntN(3) == 0 { // another key
		now = rnd.IntN(len(w.values))
		for i, v := range w.at(row, now) {
			set = append(set, w.key[i]+" = "+v)
		}
	}
	for _, p := range w.payload {
		if len(w.payload) < 4 || rnd.IntN(4) == 0 {
			set = append(set, p.name+" = "+p.value(rnd))
		}
	}
	if len(set) == 0 {
		set = append(set, w.payload[0].name+" = "+w.payload[0].value(rnd))
	}
	return "UPDATE %s SET " + strings.Join(set, ", ") + " WHERE " + w.where(row, was), now
}

// transact runs the statements on both tables in one transaction.
func (w *twins) transact(ctx context.Context, c *sql.Conn, now int, statements []string) (err error) {
	run := func(q string) (int64, error) {
		res, err := c.ExecContext(ctx, q)
		if err != nil {
			return 0, fmt.Errorf("%.2000s: %w", q, err)
		}
		return res.RowsAffected()
	}
	if _, err := run(fmt.Sprintf("SET timestamp = %d", now)); err != nil {
		return err
	}
	if _, err := run("BEGIN"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, e := run("ROLLBACK")
			err = errors.Join(err, e)
		}
	}()
	for _, s := range statements {
		for _, table := range w.names {
			q := strings.Replace(s, "%s", table, 1)
			n, err := run(q)
			if err != nil {
				return err
			}
			if n != 1 {
				return fmt.Errorf("%.2000s: %d rows", q, n)
			}
		}
	}
	_, err = run("COMMIT")
	return err
}

// alterUnderWrites runs the statement of the shape while clients write, and
// a moment longer.
func (w *twins) alterUnderWrites() {
	w.Helper()
	w.start()
	s := w.session(0, "")
	defer s.Close()
	before := w.commits.Load()
	began := time.Now()
	_, err := s.ExecContext(w.Context(), "ALTER TABLE "+w.names[0]+" "+w.alter)
	took := time.Since(began)
	during := w.commits.Load() - before
	if err == nil {
		require.Eventually(w, func() bool { return w.commits.Load() > before+during+20 || w.failed() }, 20*time.Second, 5*time.Millisecond, "clients write no more")
	}
	w.finish()
	require.NoError(w, err)
	require.Positive(w, during, "nothing was written during the job")
	w.Logf("job took %v, %d transactions during it", took.Round(time.Millisecond), during)
}

func (w *twins) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err != nil
}

// distributed makes sure that the last job went the distributed way.
func (h *house) distributed() {
	h.Helper()
	meta := scan[string](h.T, h.direct, "SELECT CONVERT(job_meta USING utf8mb4) FROM `"+h.meta+"`.tidb_ddl_history ORDER BY job_id DESC LIMIT 1")
	require.Contains(h, meta, `"state":"synced"`)
	archived(h.T, h.direct, h.meta)
	n := scan[int](h.T, h.direct, "SELECT COUNT(*) FROM `"+h.meta+"`.tidb_background_subtask_history WHERE step = 1 AND task_key = (SELECT MAX(id) FROM `"+h.meta+"`.tidb_global_task_history)")
	require.Positive(h, n, "the job was not made by copying: %s", meta)
}
