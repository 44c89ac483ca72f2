package sqlhandler_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/protocol"
	"dxfproxy/seal"
	"dxfproxy/source"
	"dxfproxy/sqlhandler"
	"dxfproxy/store"
)

// A bench is a store with two nodes and a file to import.
type bench struct {
	*testing.T
	db     *store.DB
	direct *sql.DB // to the store
	schema string
	nodes  [2]string // addresses
	term   dxf.Term
	file   string // absolute, two rows
	meta   string
}

// The nodes read the test's folders and ask the endpoints.
func newBench(t *testing.T, srv *mariadbd.Server, endpoints ...string) *bench {
	b := &bench{T: t, meta: "meta_" + strings.ToLower(filepath.Base(t.Name()))}
	b.schema, b.direct = mariadbdtest.Schema(t, srv)
	var err error
	b.db, err = store.Open(t.Context(), store.Config{DSN: srv.DSN(), Types: dxf.TypesOf(backfill.Type, importinto.Type), Schema: b.meta})
	require.NoError(t, err)
	t.Cleanup(func() { b.db.Close() })
	b.file = filepath.Join(t.TempDir(), "rows.csv")
	require.NoError(t, os.WriteFile(b.file, []byte("1,a\n2,b\n"), 0o644))
	b.term, err = b.db.Campaign(t.Context(), dxf.Node{ID: "owner:1", UUID: "owner"})
	require.NoError(t, err)

	sources, err := source.NewPolicy(source.Rules{
		Dirs: []string{os.TempDir()}, StoreDir: source.StoreDir(b.db.SQL()), Endpoints: endpoints,
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	t.Cleanup(func() { stop(); serving.Wait() })
	for i := range b.nodes {
		h := sqlhandler.New(sqlhandler.Config{
			Store: b.db, SQL: b.db.SQL(), Schema: b.meta, Sources: sources, Log: zap.NewNop(),
			Key:  seal.NewKey("secret", b.meta),
			Node: dxf.Node{ID: fmt.Sprintf("n%d:4000", i), UUID: fmt.Sprintf("uuid-%d", i), CPUCount: 8},
		})
		server := &protocol.Server{
			Handler: h, KilledElsewhere: h.Killed, DrainTimeout: time.Millisecond,
			Dial: func(ctx context.Context) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", srv.Addr())
			},
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		b.nodes[i] = ln.Addr().String()
		serving.Go(func() { _ = server.Serve(ctx, ln) })
	}
	b.exec(b.direct, "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20), g INT AS (id + 1))")
	return b
}

// open connects a user to a node.
func (b *bench) open(node int, user string) *sql.DB {
	b.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName, cfg.ParseTime = user, "tcp", b.nodes[node], b.schema, true
	cfg.Logger = &mysql.NopLogger{}
	if user != "root" {
		cfg.Passwd = "secret"
	}
	c, err := mysql.NewConnector(cfg)
	require.NoError(b, err)
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1) // one session
	b.Cleanup(func() { db.Close() })
	return db
}

func (b *bench) exec(db *sql.DB, query string, args ...any) {
	b.Helper()
	_, err := db.ExecContext(b.Context(), query, args...)
	require.NoError(b, err, query)
}

// user makes an account with grants on the test's schema.
func (b *bench) user(name string, grants ...string) {
	b.Helper()
	b.exec(b.direct, "DROP USER IF EXISTS "+name)
	b.exec(b.direct, fmt.Sprintf("CREATE USER %s IDENTIFIED BY 'secret'", name))
	for _, g := range grants {
		b.exec(b.direct, fmt.Sprintf("GRANT %s TO %s", strings.ReplaceAll(g, "SCHEMA", b.schema), name))
	}
}

// job is one row of SHOW IMPORT JOBS.
type job struct {
	id                                      int64
	source, target, phase, status, size, by string
	message                                 string
	rows                                    sql.NullInt64
	created, started, ended                 sql.NullTime
}

// importRows runs a statement that answers jobs.
func importRows(ctx context.Context, db *sql.DB, query string) ([]job, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var jobs []job
	for rows.Next() {
		var j job
		var table int64
		if err := rows.Scan(&j.id, &j.source, &j.target, &table, &j.phase, &j.status, &j.size, &j.rows, &j.message,
			&j.created, &j.started, &j.ended, &j.by); err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, rows.Err()
}

func (b *bench) jobs(db *sql.DB, query string) []job {
	b.Helper()
	jobs, err := importRows(b.Context(), db, query)
	require.NoError(b, err, query)
	return jobs
}

// refused requires a statement to fail with a number and a text.
func (b *bench) refused(db *sql.DB, number uint16, text, query string) {
	b.Helper()
	_, err := db.ExecContext(b.Context(), query)
	b.isError(err, number, text)
}

func (b *bench) isError(err error, number uint16, text string) {
	b.Helper()
	var e *mysql.MySQLError
	require.ErrorAs(b, err, &e)
	require.Equal(b, number, e.Number, e.Message)
	require.Contains(b, e.Message, text)
}

// statement imports the test's file.
func (b *bench) statement(with string) string {
	return fmt.Sprintf("IMPORT INTO t FROM '%s'%s", b.file, with)
}

// begin runs a statement in the background; its outcome comes later.
func (b *bench) begin(db *sql.DB, query string) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		jobs, err := importRows(b.Context(), db, query)
		done <- outcome{jobs, err}
	}()
	return done
}

type outcome struct {
	jobs []job
	err  error
}

func (b *bench) end(done <-chan outcome) outcome {
	b.Helper()
	select {
	case o := <-done:
		return o
	case <-time.After(20 * time.Second):
		b.Fatal("the client still waits")
		return outcome{}
	}
}

// task returns the task of a job once it is in a state.
func (b *bench) task(jobID int64, state dxf.TaskState) (t dxf.Task) {
	b.Helper()
	require.Eventually(b, func() bool {
		tasks, err := b.db.Tasks(b.Context())
		require.NoError(b, err)
		for _, t = range tasks {
			if t.Key == importinto.Type.TaskKey(jobID) && t.State == state {
				return true
			}
		}
		return false
	}, 15*time.Second, 5*time.Millisecond, "task of job %d is %s", jobID, state)
	return t
}

// move advances a job's task as the owner does.
func (b *bench) move(t dxf.Task, state dxf.TaskState, step dxf.Step, change func(*dxf.ImportJob), subs ...dxf.Subtask) {
	b.Helper()
	a := dxf.Advance{Task: t, State: state, Step: step, Subtasks: subs, Job: importinto.Type.JobOf(t)}
	if change != nil {
		a.Change = dxf.OnImport(change)
	}
	require.NoError(b, b.db.Advance(b.Context(), b.term, a))
}

// run moves a job to its import step.
func (b *bench) run(jobID int64) {
	b.Helper()
	b.move(b.task(jobID, dxf.TaskPending), dxf.TaskRunning, importinto.StepImport, func(j *dxf.ImportJob) {
		j.Status, j.Phase = dxf.ImportRunning, dxf.PhaseImporting
	})
}

// running begins an import and moves its job to the import step.
func (b *bench) running(db *sql.DB, statement string) (id int64, done <-chan outcome) {
	b.Helper()
	done = b.begin(db, statement)
	id = b.first(done)
	b.run(id)
	return id, done
}

// undo is what the owner does when a job is cancelled.
func (b *bench) undo(jobID int64) {
	b.Helper()
	t := b.task(jobID, dxf.TaskCancelling)
	b.move(t, dxf.TaskReverting, t.Step, nil)
	b.move(b.task(jobID, dxf.TaskReverting), dxf.TaskReverted, t.Step, func(j *dxf.ImportJob) { j.Status = dxf.ImportCancelled })
}

// first waits for the job of a client that is not answered yet.
func (b *bench) first(done <-chan outcome) (id int64) {
	b.Helper()
	require.Eventually(b, func() bool {
		jobs, err := b.db.ImportJobs(b.Context())
		require.NoError(b, err)
		for _, j := range jobs {
			if !j.Status.Ended() {
				id = j.ID
			}
		}
		return id > 0
	}, 10*time.Second, 2*time.Millisecond)
	require.Empty(b, done)
	return id
}

func (b *bench) storedTime(id int64) time.Time {
	j, err := b.db.ImportJob(b.Context(), id)
	require.NoError(b, err)
	return j.CreateTime
}
