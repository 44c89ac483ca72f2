package sqlhandler_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/protocol"
	"dxfproxy/sqlhandler"
	"dxfproxy/store"
)

// TestImportSessions has real clients, two nodes' handlers and one store, and no
// dispatcher: the tests are the owner and move the jobs by hand.
func TestImportSessions(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	for name, test := range map[string]func(*bench){
		"Detached":         detached,
		"Race":             race,
		"Finished":         finished,
		"Failed":           failed,
		"Cancel":           cancel,
		"Pause":            pause,
		"PauseCancelled":   pauseCancelled,
		"Kill":             kill,
		"KillElsewhere":    killElsewhere,
		"Rights":           rights,
		"OthersJobs":       othersJobs,
		"Target":           target,
		"NoTransaction":    noTransaction,
		"OneNode":          oneNode,
		"Prepared":         prepared,
		"FromSelect":       fromSelect,
		"FromSelectUser":   fromSelectUser,
		"FromSelectKilled": fromSelectKilled,
	} {
		t.Run(name, func(t *testing.T) { test(newBench(t, srv)) })
	}
}

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

func newBench(t *testing.T, srv *mariadbd.Server) *bench {
	b := &bench{T: t, meta: "meta_" + strings.ToLower(filepath.Base(t.Name()))}
	b.schema, b.direct = mariadbdtest.Schema(t, srv)
	var err error
	b.db, err = store.Open(t.Context(), store.Config{DSN: srv.DSN(), Schema: b.meta})
	require.NoError(t, err)
	t.Cleanup(func() { b.db.Close() })
	b.file = filepath.Join(t.TempDir(), "rows.csv")
	require.NoError(t, os.WriteFile(b.file, []byte("1,a\n2,b\n"), 0o644))
	b.term, err = b.db.Campaign(t.Context(), dxf.Node{ID: "owner:1", UUID: "owner"})
	require.NoError(t, err)

	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	t.Cleanup(func() { stop(); serving.Wait() })
	for i := range b.nodes {
		h := sqlhandler.New(sqlhandler.Config{
			Jobs: b.db, SQL: b.db.SQL(), Schema: b.meta, Log: zap.NewNop(),
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
			if t.Key == dxf.ImportKey(jobID) && t.State == state {
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
	var m dxf.ImportMeta
	require.NoError(b, json.Unmarshal(t.Meta, &m))
	require.NoError(b, b.db.Advance(b.Context(), b.term, dxf.Advance{
		Task: t, State: state, Step: step, Subtasks: subs, ImportJobID: m.JobID, Import: change,
	}))
}

// run moves a job to its import step.
func (b *bench) run(jobID int64) {
	b.Helper()
	b.move(b.task(jobID, dxf.TaskPending), dxf.TaskRunning, dxf.StepImport, func(j *dxf.ImportJob) {
		j.Status, j.Phase = dxf.ImportRunning, dxf.PhaseImporting
	})
}

// undo is what the owner does when a job is cancelled.
func (b *bench) undo(jobID int64) {
	b.Helper()
	t := b.task(jobID, dxf.TaskCancelling)
	b.move(t, dxf.TaskReverting, t.Step, nil)
	b.move(b.task(jobID, dxf.TaskReverting), dxf.TaskReverted, t.Step, func(j *dxf.ImportJob) { j.Status = dxf.ImportCancelled })
}

func detached(b *bench) {
	db := b.open(0, "root")
	j := b.jobs(db, b.statement(" WITH detached, thread=99, cloud_storage_uri='s3://b/x?access-key=AK&secret-access-key=SK'"))[0]
	require.Equal(b, [...]string{b.file, fmt.Sprintf("`%s`.`t`", b.schema), "", "pending", "8B", "", "root@127.0.0.1"},
		[...]string{j.source, j.target, j.phase, j.status, j.size, j.message, j.by})
	require.False(b, j.rows.Valid || j.started.Valid || j.ended.Valid)
	require.WithinDuration(b, time.Now(), j.created.Time, 24*time.Hour)
	var m dxf.ImportMeta
	task := b.task(j.id, dxf.TaskPending)
	require.NoError(b, json.Unmarshal(task.Meta, &m))
	require.Equal(b, [...]any{8, 0, j.id, b.schema, "n0:4000", 8, "SYSTEM"}, [...]any{task.Concurrency, task.MaxNodeCount, m.JobID, m.Schema, m.Node, m.Thread, m.TimeZone})
	require.NotEmpty(b, m.Fingerprint)

	var parameters string
	require.NoError(b, db.QueryRow("SELECT parameters FROM mysql.tidb_import_jobs WHERE id = ?", j.id).Scan(&parameters))
	require.NotContains(b, parameters, "SK")
	require.Contains(b, parameters, `"thread":"99"`)

	other := b.open(1, "root")
	require.Equal(b, []job{j}, b.jobs(other, "SHOW IMPORT JOBS"))
	require.Equal(b, []job{j}, b.jobs(other, fmt.Sprintf("SHOW IMPORT JOB %d", j.id)))
	require.Equal(b, []job{j}, b.jobs(other, "SHOW IMPORT JOBS WHERE Status = 'pending' AND Create_Time <= NOW(6)"))
	require.Empty(b, b.jobs(other, "SHOW IMPORT JOBS WHERE Status = 'running'"))
	require.Len(b, b.jobs(other, "SHOW IMPORT JOBS LIKE '_'"), 1)
	require.Empty(b, b.jobs(other, "SHOW IMPORT JOBS LIKE 'x'"))
	b.refused(other, 1054, "Unknown column 'nope' in 'where clause'", "SHOW IMPORT JOBS WHERE nope = 1")
	b.refused(other, 8173, "there is active job on the target table already", b.statement(""))
	b.refused(other, 8173, "there is active job on the target table already", "IMPORT INTO t FROM SELECT 1, 'a', 2")

	b.run(j.id)
	require.Equal(b, "running", b.jobs(db, "SHOW IMPORT JOBS")[0].status)
	require.EqualValues(b, 0, b.jobs(db, "SHOW IMPORT JOBS")[0].rows.Int64)
}

// Of several clients at once, on two nodes, one gets the table.
func race(b *bench) {
	for range 3 {
		var won []int64
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range 8 {
			db := b.open(i%2, "root")
			all.Go(func() {
				jobs, err := importRows(b.Context(), db, b.statement(" WITH detached"))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, jobs[0].id)
					return
				}
				b.isError(err, 8173, "PreCheck failed: there is active job on the target table already")
			})
		}
		all.Wait()
		require.Len(b, won, 1)
		require.NoError(b, b.db.CancelImport(b.Context(), won[0]))
		b.undo(won[0])
	}
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

func finished(b *bench) {
	db := b.open(0, "root")
	b.exec(db, "SET time_zone = '+05:00'")
	done := b.begin(db, b.statement(""))
	id := b.first(done)
	b.run(id)
	b.move(b.task(id, dxf.TaskRunning), dxf.TaskSucceed, dxf.StepDone, func(j *dxf.ImportJob) { j.Status, j.Rows = dxf.ImportFinished, 2 })
	o := b.end(done)
	require.NoError(b, o.err)
	j := o.jobs[0]
	require.Equal(b, [...]any{id, "", "finished", int64(2), ""}, [...]any{j.id, j.phase, j.status, j.rows.Int64, j.message})
	require.True(b, j.started.Valid && j.ended.Valid)
	var summary string
	require.NoError(b, db.QueryRow("SELECT summary FROM mysql.tidb_import_jobs").Scan(&summary))
	require.JSONEq(b, `{"imported-rows":2}`, summary)
	b.refused(db, 8171, "The current job status cannot perform the operation. CANCEL", fmt.Sprintf("CANCEL IMPORT JOB %d", id))
	require.Equal(b, 5*time.Hour, j.created.Time.Sub(b.storedTime(id)), "in the zone of the session")
}

func (b *bench) storedTime(id int64) time.Time {
	j, err := b.db.ImportJob(b.Context(), id)
	require.NoError(b, err)
	return j.CreateTime
}

func failed(b *bench) {
	db := b.open(0, "root")
	done := b.begin(db, b.statement(""))
	id := b.first(done)
	b.run(id)
	b.move(b.task(id, dxf.TaskRunning), dxf.TaskReverting, dxf.StepImport, nil)
	b.move(b.task(id, dxf.TaskReverting), dxf.TaskReverted, dxf.StepImport, func(j *dxf.ImportJob) {
		j.Status, j.Error = dxf.ImportFailed, &dxf.Error{Code: 1062, State: "23000", Class: "kv", Message: "Duplicate entry '1' for key 'PRIMARY'"}
	})
	b.isError(b.end(done).err, 1062, "Duplicate entry")
	j := b.jobs(db, "SHOW IMPORT JOBS")[0]
	require.Equal(b, [...]any{"importing", "failed", false, "[kv:1062]Duplicate entry '1' for key 'PRIMARY'"}, [...]any{j.phase, j.status, j.rows.Valid, j.message})
	require.True(b, j.ended.Valid)
}

func cancel(b *bench) {
	db, other := b.open(0, "root"), b.open(1, "root")
	done := b.begin(db, b.statement(""))
	id := b.first(done)
	b.run(id)
	cancelled := b.begin(other, fmt.Sprintf("CANCEL IMPORT JOB %d", id))
	b.task(id, dxf.TaskCancelling)
	require.Equal(b, "running", b.jobs(b.open(1, "root"), "SHOW IMPORT JOBS")[0].status, "until all is undone")
	require.Empty(b, cancelled)
	b.undo(id)
	require.NoError(b, b.end(cancelled).err)
	b.isError(b.end(done).err, 1105, "cancelled by user")
	j := b.jobs(db, "SHOW IMPORT JOBS")[0]
	require.Equal(b, [...]any{"importing", "cancelled", "cancelled by user"}, [...]any{j.phase, j.status, j.message})
	require.True(b, j.started.Valid)
	require.False(b, j.ended.Valid, "as in TiDB")
	b.refused(db, 8171, "CANCEL", fmt.Sprintf("CANCEL IMPORT JOB %d", id))
	b.refused(db, 8170, "Job ID 99 doesn't exist", "CANCEL IMPORT JOB 99")

	// It came too late, which only the owner could know.
	done = b.begin(db, b.statement(""))
	id = b.first(done)
	b.run(id)
	cancelled = b.begin(other, fmt.Sprintf("CANCEL IMPORT JOB %d", id))
	t := b.task(id, dxf.TaskCancelling)
	b.move(t, dxf.TaskReverting, t.Step, nil)
	b.move(b.task(id, dxf.TaskReverting), dxf.TaskSucceed, dxf.StepDone, func(j *dxf.ImportJob) { j.Status = dxf.ImportFinished })
	b.isError(b.end(cancelled).err, 8171, "CANCEL")
	require.NoError(b, b.end(done).err)
	b.refused(db, 8170, "Job ID 99 doesn't exist", "SHOW IMPORT JOB 99")
	b.refused(db, 1064, "near \"'x'\"", "SHOW IMPORT JOB 'x'")
}

// halt is what the owner does when a job is paused and no subtask runs.
func (b *bench) halt(jobID int64) {
	b.Helper()
	t := b.task(jobID, dxf.TaskPausing)
	b.move(t, dxf.TaskPaused, t.Step, nil)
}

// pause: who pauses is answered when all stands still, and who waits for the import
// waits on.
func pause(b *bench) {
	db, other := b.open(0, "root"), b.open(1, "root")
	done := b.begin(db, b.statement(""))
	id := b.first(done)
	b.run(id)
	b.refused(other, 8261, "can't be resumed: job has not been paused", fmt.Sprintf("RESUME IMPORT JOB %d", id))
	paused := b.begin(other, fmt.Sprintf("PAUSE IMPORT JOB %d", id))
	b.task(id, dxf.TaskPausing)
	third := b.open(1, "root")
	require.Contains(b, b.jobs(third, "SHOW IMPORT JOBS")[0].message, "pausing")
	require.Empty(b, paused, "until all stands still")
	b.halt(id)
	require.NoError(b, b.end(paused).err)
	j := b.jobs(other, "SHOW IMPORT JOBS")[0]
	require.Equal(b, [...]any{"importing", "running", fmt.Sprintf("import, paused, to go on: RESUME IMPORT JOB %d", id)}, [...]any{j.phase, j.status, j.message})
	b.refused(other, 8262, fmt.Sprintf("Job [%d] has already been paused", id), fmt.Sprintf("PAUSE IMPORT JOB %d", id))
	b.refused(other, 8173, "there is active job on the target table already", b.statement(""))
	require.Empty(b, done)

	b.exec(other, fmt.Sprintf("RESUME IMPORT JOB %d", id))
	b.move(b.task(id, dxf.TaskResuming), dxf.TaskRunning, dxf.StepImport, nil)
	require.Equal(b, "import", b.jobs(other, "SHOW IMPORT JOBS")[0].message)
	b.move(b.task(id, dxf.TaskRunning), dxf.TaskSucceed, dxf.StepDone, func(j *dxf.ImportJob) { j.Status, j.Rows = dxf.ImportFinished, 2 })
	require.NoError(b, b.end(done).err)
	for _, verb := range []string{"PAUSE", "RESUME"} {
		b.refused(db, 8171, "The current job status cannot perform the operation. "+verb, fmt.Sprintf("%s IMPORT JOB %d", verb, id))
		b.refused(db, 8170, "Job ID 99 doesn't exist", verb+" IMPORT JOB 99")
		b.refused(db, 1064, "IMPORT JOB x", verb+" IMPORT JOB x")
		stmt, err := db.Prepare(fmt.Sprintf("%s IMPORT JOB %d", verb, id))
		require.NoError(b, err)
		_, err = stmt.Exec()
		b.isError(err, 8171, verb)
		require.NoError(b, stmt.Close())
	}

	b.user("stranger", "ALL ON SCHEMA.*")
	stranger := b.open(0, "stranger")
	b.refused(stranger, 1227, "SUPER", fmt.Sprintf("PAUSE IMPORT JOB %d", id))
	b.refused(stranger, 1227, "SUPER", fmt.Sprintf("RESUME IMPORT JOB %d", id))
}

// pauseCancelled: a paused import can be cancelled, and who waits for a pause that
// does not come is told.
func pauseCancelled(b *bench) {
	db, other := b.open(0, "root"), b.open(1, "root")
	done := b.begin(db, b.statement(""))
	id := b.first(done)
	b.run(id)
	paused := b.begin(other, fmt.Sprintf("PAUSE IMPORT JOB %d", id))
	b.halt(id)
	require.NoError(b, b.end(paused).err)
	cancelled := b.begin(other, fmt.Sprintf("CANCEL IMPORT JOB %d", id))
	b.undo(id)
	require.NoError(b, b.end(cancelled).err)
	b.isError(b.end(done).err, 1105, "cancelled by user")

	next := b.jobs(db, b.statement(" WITH detached"))[0].id
	b.run(next)
	paused = b.begin(other, fmt.Sprintf("PAUSE IMPORT JOB %d", next))
	b.task(next, dxf.TaskPausing)
	require.NoError(b, b.db.CancelImport(b.Context(), next))
	b.undo(next)
	b.isError(b.end(paused).err, 8171, "The current job status cannot perform the operation. PAUSE")
}

// killed begins an import and kills its client through a node.
func (b *bench) killed(node int, how string) {
	db := b.open(0, "root")
	var conn int64
	require.NoError(b, db.QueryRow("SELECT CONNECTION_ID()").Scan(&conn))
	done := b.begin(db, b.statement(""))
	id := b.first(done)
	b.exec(b.open(node, "root"), fmt.Sprintf("KILL %s %d", how, conn))
	b.undo(id)
	if how == "QUERY" && node == 0 {
		b.isError(b.end(done).err, 1317, "interrupted")
		b.exec(db, "DO 1")
	} else {
		require.Error(b, b.end(done).err)
	}
	j, err := b.db.ImportJob(b.Context(), id)
	require.NoError(b, err)
	require.Equal(b, dxf.ImportCancelled, j.Status)
}

func kill(b *bench) {
	b.killed(0, "QUERY")
	b.killed(0, "CONNECTION")

	// A detached job has no client that could be killed.
	db := b.open(0, "root")
	id := b.jobs(db, b.statement(" WITH detached"))[0].id
	j, err := b.db.ImportJob(b.Context(), id)
	require.NoError(b, err)
	require.Zero(b, j.ConnID)
}

func killElsewhere(b *bench) { b.killed(1, "CONNECTION") }

// rights takes one privilege after the other, in TiDB's order.
func rights(b *bench) {
	all := []string{"SELECT", "UPDATE", "INSERT", "DELETE", "ALTER"}
	for i, missing := range all {
		grants := []string{"USAGE ON *.*"}
		if i > 0 {
			grants = append(grants, strings.Join(all[:i], ", ")+" ON SCHEMA.*")
		} else {
			grants = append(grants, "DROP ON SCHEMA.*")
		}
		b.user("taker", grants...)
		db := b.open(0, "taker")
		b.refused(db, 1142, missing+" command denied to user 'taker'@'%' for table 't'", b.statement(" WITH nope"))
	}
	b.user("taker", "SELECT, UPDATE, INSERT, DELETE, ALTER ON SCHEMA.*")
	db := b.open(0, "taker")
	b.refused(db, 1227, "(at least one of) the FILE privilege(s)", b.statement(" WITH nope"))
	b.refused(db, 8163, "Unknown option nope", "IMPORT INTO t FROM 's3://b/x.csv' WITH nope")
	b.exec(b.direct, "GRANT FILE ON *.* TO taker")
	db = b.open(0, "taker")
	b.exec(db, "SET sql_safe_updates = 1")
	b.refused(db, 8163, "Unknown option nope", b.statement(" WITH nope"))
	require.Len(b, b.jobs(db, b.statement(" WITH detached")), 1)
}

func othersJobs(b *bench) {
	b.user("maker", "ALL ON SCHEMA.*", "FILE ON *.*")
	b.user("watcher", "ALL ON SCHEMA.*")
	maker, watcher, root := b.open(0, "maker"), b.open(1, "watcher"), b.open(0, "root")
	id := b.jobs(maker, b.statement(" WITH detached"))[0].id
	require.Len(b, b.jobs(maker, "SHOW IMPORT JOBS"), 1)
	require.Len(b, b.jobs(root, "SHOW IMPORT JOBS"), 1)
	require.Empty(b, b.jobs(watcher, "SHOW IMPORT JOBS"))
	require.Equal(b, "maker@%", b.jobs(root, fmt.Sprintf("SHOW IMPORT JOB %d", id))[0].by)
	for _, verb := range []string{"SHOW", "CANCEL"} {
		b.refused(watcher, 1227, "(at least one of) the SUPER privilege(s)", fmt.Sprintf("%s IMPORT JOB %d", verb, id))
	}
}

func target(b *bench) {
	db := b.open(0, "root")
	b.exec(db, "CREATE TABLE full (id INT PRIMARY KEY)")
	b.exec(db, "INSERT INTO full VALUES (1)")
	b.exec(db, "CREATE TABLE slow (id INT) ENGINE=MyISAM")
	b.exec(db, "CREATE VIEW v AS SELECT * FROM t")
	b.exec(db, "CREATE TEMPORARY TABLE passing (id INT)")
	from := fmt.Sprintf(" FROM '%s'", b.file)
	b.refused(db, 1146, fmt.Sprintf("Table '%s.nope' doesn't exist", b.schema), "IMPORT INTO nope"+from)
	b.refused(db, 1146, "Table 'nope.t' doesn't exist", "IMPORT INTO nope.t"+from)
	b.refused(db, 1288, "The target table v of the IMPORT is not updatable", "IMPORT INTO v"+from)
	b.refused(db, 1105, "IMPORT INTO does not support temporary table", "IMPORT INTO passing"+from)
	b.refused(db, 1105, "slow is MyISAM", "IMPORT INTO slow"+from)
	b.refused(db, 1105, "does not import into tables of schema mysql", "IMPORT INTO mysql.user"+from)
	b.refused(db, 1105, "does not import into tables of schema "+b.meta, "IMPORT INTO "+b.meta+".counter"+from)
	b.refused(db, 8173, "target table is not empty", "IMPORT INTO full"+from)
	if _, err := b.direct.Exec("DO MD5('1')"); err != nil { // MySQL 9.6 has dropped it
		b.refused(db, 1105, "FUNCTION MD5 is not supported in IMPORT INTO column assignment, index 0", "IMPORT INTO t (id, @v) SET a = MD5(@v)"+from)
	}
	b.refused(db, 1582, "Incorrect parameter count", "IMPORT INTO t (id, @v) SET a = QUOTE(@v, 1)"+from)

	b.exec(db, "LOCK TABLES t WRITE")
	b.refused(db, 1192, "active locked tables", b.statement(""))
	b.exec(db, "UNLOCK TABLES")
	b.exec(db, "BEGIN")
	b.refused(db, 1105, "cannot run IMPORT INTO in explicit transaction", b.statement(""))
	b.exec(db, "ROLLBACK")

	nowhere := b.open(0, "root")
	conn, err := client.Connect(b.nodes[0], "root", "", "")
	require.NoError(b, err)
	defer conn.Close()
	_, err = conn.Execute(b.statement(""))
	require.ErrorContains(b, err, "No database selected")
	require.Empty(b, b.jobs(nowhere, "SHOW IMPORT JOBS"))
}

// noTransaction: with autocommit off too, a client that waits holds nothing of
// the table.
func noTransaction(b *bench) {
	db := b.open(0, "root")
	b.exec(db, "SET autocommit = 0")
	b.refused(db, 8163, "nope", b.statement(" WITH nope"))
	done := b.begin(db, b.statement(""))
	id := b.first(done)
	b.exec(b.direct, "SET lock_wait_timeout = 5")
	b.exec(b.direct, "RENAME TABLE t TO u")
	require.NoError(b, b.db.CancelImport(b.Context(), id))
	b.undo(id)
	b.end(done)
}

func oneNode(b *bench) {
	db := b.open(1, "root")
	b.exec(db, "SET GLOBAL tidb_enable_dist_task = OFF")
	task := b.task(b.jobs(db, b.statement(" WITH detached"))[0].id, dxf.TaskPending)
	require.Equal(b, 1, task.MaxNodeCount)
	require.Equal(b, 4, task.Concurrency)
	require.Contains(b, string(task.Meta), `"node":"n1:4000"`)
}

func prepared(b *bench) {
	db := b.open(0, "root")
	stmt, err := db.Prepare(b.statement(" WITH detached"))
	require.NoError(b, err)
	defer stmt.Close()
	rows, err := stmt.Query() //nolint:rowserrcheck // closed after its first row
	require.NoError(b, err)
	columns, err := rows.Columns()
	require.NoError(b, err)
	require.Len(b, columns, 13)
	require.True(b, rows.Next())
	require.NoError(b, rows.Close())
	_, err = stmt.Query() //nolint:rowserrcheck // it is refused
	b.isError(err, 8173, "active job")

	show, err := db.Prepare("SHOW IMPORT JOBS")
	require.NoError(b, err)
	defer show.Close()
	rows, err = show.Query() //nolint:rowserrcheck // closed after its first row
	require.NoError(b, err)
	require.True(b, rows.Next())
	var j job
	var table int64
	require.NoError(b, rows.Scan(&j.id, &j.source, &j.target, &table, &j.phase, &j.status, &j.size, &j.rows, &j.message, &j.created, &j.started, &j.ended, &j.by))
	require.Equal(b, "pending", j.status)
	require.NoError(b, rows.Close())
	_, err = db.Prepare("IMPORT INTO t FROM ?")
	b.isError(err, 1064, `near "?"`)

	b.exec(db, "CREATE TABLE u (id INT PRIMARY KEY)")
	b.exec(db, "SET sql_mode = 'ANSI_QUOTES'")
	query, err := db.Prepare(`IMPORT INTO "u" FROM SELECT 7`)
	require.NoError(b, err)
	defer query.Close()
	res, err := query.Exec()
	require.NoError(b, err)
	n, err := res.RowsAffected()
	require.NoError(b, err)
	require.EqualValues(b, 1, n)
}

func fromSelect(b *bench) {
	db := b.open(0, "root")
	conn, err := client.Connect(b.nodes[0], "root", "", b.schema)
	require.NoError(b, err)
	defer conn.Close()
	res, err := conn.Execute("IMPORT INTO t FROM SELECT 1, 'a', 100 UNION ALL SELECT 2, 'b', 200 WITH thread=2, disable_precheck")
	require.NoError(b, err)
	require.EqualValues(b, 2, res.AffectedRows)
	var rows string
	list := "SELECT GROUP_CONCAT(id, a, g ORDER BY id) FROM t"
	require.NoError(b, db.QueryRow(list).Scan(&rows))
	require.Equal(b, "1a2,2b3", rows, "the store computes generated columns")
	b.refused(db, 8173, "target table is not empty", "IMPORT INTO t FROM SELECT 3, 'c', 1")
	b.exec(db, "DELETE FROM t")

	b.refused(db, 1136, "Column count doesn't match value count at row 1", "IMPORT INTO t FROM SELECT 1, 'a'")
	b.refused(db, 1136, "Column count doesn't match value count at row 1", "IMPORT INTO t (id) FROM SELECT 1, 'a'")
	b.refused(db, 1054, "Unknown column 'nope' in 'field list'", "IMPORT INTO t (nope) FROM SELECT 1")
	b.refused(db, 1110, "Column 'id' specified twice", "IMPORT INTO t (id, id) FROM SELECT 1, 2")
	b.refused(db, 8166, "Unsupported option detached for import from query", "IMPORT INTO t (id) FROM SELECT 1 WITH detached")
	b.refused(db, 8164, "thread", "IMPORT INTO t (id) FROM SELECT 1 WITH thread=0")
	b.refused(db, 1062, "Duplicate entry", "IMPORT INTO t (id) FROM SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 1")
	var n int
	require.NoError(b, db.QueryRow("SELECT COUNT(*) FROM t").Scan(&n))
	require.Zero(b, n, "all rows or none")

	b.exec(db, "SET autocommit = 0")
	b.exec(db, "IMPORT INTO t (a, id) FROM WITH c AS (SELECT 'x', 5) SELECT * FROM c")
	require.NoError(b, b.direct.QueryRow("SELECT COUNT(*) FROM t").Scan(&n))
	require.Equal(b, 1, n, "it is committed")
	require.Empty(b, b.jobs(db, "SHOW IMPORT JOBS"))
	b.exec(db, "CREATE TABLE tasks (id BIGINT, state VARCHAR(64))")
	b.exec(db, "IMPORT INTO tasks FROM SELECT id, state FROM mysql.tidb_global_task")
}

// fromSelectKilled: KILL is the way to stop an import that is no job.
func fromSelectKilled(b *bench) {
	db := b.open(0, "root")
	done := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(b.Context(), "IMPORT INTO t (id) FROM SELECT 1 UNION ALL SELECT SLEEP(60) + 2")
		done <- err
	}()
	var conn int64
	require.Eventually(b, func() bool {
		const sleepingSQL = "SELECT id FROM information_schema.processlist WHERE db = ? AND info LIKE 'INSERT INTO%SLEEP(60)%'"
		return b.direct.QueryRow(sleepingSQL, b.schema).Scan(&conn) == nil
	}, 15*time.Second, 10*time.Millisecond)
	b.exec(b.open(1, "root"), fmt.Sprintf("KILL QUERY %d", conn))
	select {
	case err := <-done:
		b.isError(err, 1317, "interrupted")
	case <-time.After(20 * time.Second):
		b.Fatal("it still sleeps")
	}
	var n int
	require.NoError(b, db.QueryRow("SELECT COUNT(*) FROM t").Scan(&n))
	require.Zero(b, n)
}

func fromSelectUser(b *bench) {
	b.exec(b.direct, "CREATE TABLE source (id INT, hidden INT)")
	b.user("picker", "SELECT, UPDATE, INSERT, DELETE, ALTER ON SCHEMA.t", "SELECT (id) ON SCHEMA.source")
	db := b.open(0, "picker")
	b.refused(db, 1143, "column 'hidden'", "IMPORT INTO t (id, a) FROM SELECT id, hidden FROM source")
	b.exec(db, "IMPORT INTO t (id, a) FROM SELECT id, id FROM source")
}
