package store_test

import (
	"database/sql"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/store"
)

// A client that reads the framework's tables sees TiDB's columns, in order.
func TestColumnsAreTiDBs(t *testing.T) {
	db := open(t)
	golden, err := os.ReadFile("testdata/columns.txt")
	require.NoError(t, err)
	tables := 0
	for line := range strings.Lines(string(golden)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		table, want, _ := strings.Cut(strings.TrimSpace(line), ": ")
		rows, err := db.SQL().QueryContext(t.Context(), "SELECT * FROM "+table)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		require.NoError(t, rows.Close())
		require.NoError(t, rows.Err())
		require.Equal(t, want, strings.Join(columns, " "), table)
		tables++
	}
	require.Equal(t, 10, tables)
}

// Nodes of one cluster start together, on an empty store.
func TestOpenAtOnce(t *testing.T) {
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			db, err := store.Open(t.Context(), store.Config{DSN: srv.DSN(), Types: types, Schema: "dxf_at_once"})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := db.Submit(t.Context(), dxf.Job{}, dxf.NewTask{Type: backfill.Name, Meta: &backfill.Meta{}}); err != nil {
				t.Error(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	db := openSchema(t, "dxf_at_once")
	jobs, err := db.UnfinishedJobs(t.Context())
	require.NoError(t, err)
	require.Len(t, jobs, 6, "opening again keeps what is there")
	require.EqualValues(t, 6, jobs[5].ID)
}

func TestOpenRefuses(t *testing.T) {
	_, root := mariadbdtest.Schema(t, srv)
	exec := func(query string) {
		t.Helper()
		_, err := root.ExecContext(t.Context(), query)
		require.NoError(t, err)
	}
	exec("CREATE USER dxf_poor@'127.0.0.1' IDENTIFIED BY 'right'")
	exec("CREATE USER dxf_reader@'127.0.0.1' IDENTIFIED BY 'right'")
	exec("GRANT SELECT ON *.* TO dxf_reader@'127.0.0.1'")
	t.Cleanup(func() { _, _ = root.Exec("DROP USER dxf_poor@'127.0.0.1', dxf_reader@'127.0.0.1'") })
	openSchema(t, "dxf_newer")
	exec("UPDATE dxf_newer.counter SET value = 1000 WHERE name = 'schema'")

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := closed.Addr().String()
	require.NoError(t, closed.Close())
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never says a word
	require.NoError(t, err)
	defer silent.Close()

	addr := strings.TrimSuffix(srv.DSN()[strings.Index(srv.DSN(), "(")+1:], ")/")
	for _, refusal := range []struct {
		dsn, schema string
		want        error
	}{
		{"root@tcp(" + nobody + ")/", "dxf", store.ErrUnreachable},
		{"root@tcp(" + silent.Addr().String() + ")/", "dxf", store.ErrUnreachable},
		{"root@tcp(no-such-host.invalid:3306)/", "dxf", store.ErrUnreachable},
		{"dxf_poor:wrong@tcp(" + addr + ")/", "dxf", store.ErrAccessDenied},
		{"dxf_poor:right@tcp(" + addr + ")/", "dxf", store.ErrNoRights},
		{"dxf_reader:right@tcp(" + addr + ")/", "dxf", store.ErrNoRights},
		{srv.DSN(), "dxf_newer", store.ErrNewerSchema},
		{srv.DSN(), "my-schema", nil},
		{"nonsense", "dxf", nil},
	} {
		start := time.Now()
		_, err := store.Open(t.Context(), store.Config{DSN: refusal.dsn, Schema: refusal.schema, DialTimeout: 300 * time.Millisecond})
		require.Error(t, err, refusal.dsn)
		if refusal.want != nil {
			require.ErrorIs(t, err, refusal.want, refusal.dsn)
		}
		require.Less(t, time.Since(start), 10*time.Second, refusal.dsn)
		t.Log(err)
	}
}

// Both pools start their sessions alike.
func TestSessions(t *testing.T) {
	db := open(t)
	isolation, special, want := "@@tx_isolation", "@@idle_transaction_timeout", 10
	if srv.Kind() == mariadbd.MySQL {
		isolation, special, want = "@@transaction_isolation", "@@information_schema_stats_expiry", 0
	}
	var level, zone, mode, schema string
	var lock, got int
	require.NoError(t, db.SQL().QueryRowContext(t.Context(),
		"SELECT "+isolation+", @@time_zone, @@sql_mode, DATABASE(), @@innodb_lock_wait_timeout, "+special).
		Scan(&level, &zone, &mode, &schema, &lock, &got))
	require.Equal(t, "READ-COMMITTED", level)
	require.Equal(t, "+00:00", zone)
	require.Equal(t, "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION", mode)
	require.Equal(t, db.Schema(), schema)
	require.Equal(t, 5, lock)
	require.Equal(t, want, got, special)
}

// information_schema.DDL_JOBS: unfinished jobs first, then the newest ones,
// with times in the reader's zone.
func TestDDLJobsView(t *testing.T) {
	db := open(t)
	ctx := t.Context()
	long := "ALTER TABLE `t<&>` /* " + strings.Repeat("lång ", 1000) + "*/\n\tADD INDEX \"ä\\b\" (`it's`)"
	for range 2 {
		_, err := db.Record(ctx, dxf.Job{Type: "create table", Schema: "test", Table: "a", State: dxf.JobSynced, RowCount: 5})
		require.NoError(t, err)
	}
	for range 2 {
		_, err := db.Submit(ctx, dxf.Job{Type: "add index", Schema: "täst", Table: "t<&>", SchemaState: dxf.SchemaNone, SchemaID: 3, TableID: 4, Query: long}, dxf.NewTask{Type: backfill.Name, Meta: &backfill.Meta{}})
		require.NoError(t, err)
	}
	term, err := db.Campaign(ctx, dxf.Node{ID: "n1"})
	require.NoError(t, err)
	tasks, err := db.Tasks(ctx)
	require.NoError(t, err)
	require.NoError(t, db.Advance(ctx, term, dxf.Advance{
		Task: tasks[0], State: dxf.TaskRunning, Step: backfill.StepCopy, Subtasks: []dxf.Subtask{{Ordinal: 1, ExecID: "n1"}},
		Job: dxf.DDLRef(3), Change: dxf.OnJob(func(j *dxf.Job) { j.State, j.SchemaState = dxf.JobRunning, dxf.SchemaReorg }),
	}))
	work, err := db.Assigned(ctx, "n1")
	require.NoError(t, err)
	s, err := db.Lease(ctx, work[0].Subtask)
	require.NoError(t, err)
	require.NoError(t, db.Progress(ctx, s.Lease(), dxf.Summary{RowCount: 12345}))

	type row struct {
		id                              int64
		schema, table, typ, schemaState string
		schemaID, tableID, rows         int64
		create, start, end              sql.NullString
		state, query                    string
	}
	read := func(zone string) (all []row) {
		conn, err := db.SQL().Conn(ctx)
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.ExecContext(ctx, "SET time_zone = ?", zone)
		require.NoError(t, err)
		defer func() { _, _ = conn.ExecContext(ctx, "SET time_zone = '+00:00'") }()
		rows, err := conn.QueryContext(ctx, `SELECT JOB_ID, DB_NAME, TABLE_NAME, JOB_TYPE, SCHEMA_STATE, SCHEMA_ID, TABLE_ID, ROW_COUNT,
			CAST(CREATE_TIME AS CHAR), CAST(START_TIME AS CHAR), CAST(END_TIME AS CHAR), STATE, QUERY FROM ddl_jobs`)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			var r row
			require.NoError(t, rows.Scan(&r.id, &r.schema, &r.table, &r.typ, &r.schemaState, &r.schemaID, &r.tableID, &r.rows,
				&r.create, &r.start, &r.end, &r.state, &r.query))
			all = append(all, r)
		}
		require.NoError(t, rows.Err())
		return all
	}
	all := read("+00:00")
	require.Len(t, all, 4)
	for i, want := range []int64{3, 4, 2, 1} {
		require.Equal(t, want, all[i].id)
	}
	r := all[0]
	require.Equal(t, []any{"täst", "t<&>", "add index", "write reorganization", "running", long, int64(3), int64(4), int64(12345)},
		[]any{r.schema, r.table, r.typ, r.schemaState, r.state, r.query, r.schemaID, r.tableID, r.rows})
	require.True(t, r.start.Valid)
	require.False(t, r.end.Valid)
	require.False(t, all[1].start.Valid)
	require.EqualValues(t, 5, all[2].rows)
	require.True(t, all[2].end.Valid)

	j, err := db.Job(ctx, 3)
	require.NoError(t, err)
	const layout = "2006-01-02 15:04:05.000000"
	require.Equal(t, j.CreateTime.Format(layout), r.create.String)
	require.Equal(t, j.StartTime.Format(layout), r.start.String)
	require.Equal(t, j.CreateTime.Add(5*time.Hour+30*time.Minute).Format(layout), read("+05:30")[0].create.String)
}

// What is older than 14 days is forgotten; what is younger, and jobs, are not.
func TestHistoryIsForgotten(t *testing.T) {
	db := open(t)
	b := bench{db, t}
	ctx := t.Context()
	term, err := db.Campaign(ctx, dxf.Node{ID: "n1"})
	require.NoError(t, err)
	for range 2 {
		id, err := db.Submit(ctx, dxf.Job{}, dxf.NewTask{Type: backfill.Name, Meta: &backfill.Meta{}})
		require.NoError(t, err)
		tasks, err := db.Tasks(ctx)
		require.NoError(t, err)
		require.NoError(t, db.Advance(ctx, term, dxf.Advance{Task: tasks[0], State: dxf.TaskRunning, Step: backfill.StepCopy, Subtasks: []dxf.Subtask{{Ordinal: 1}, {Ordinal: 2}}}))
		tasks, err = db.Tasks(ctx)
		require.NoError(t, err)
		require.NoError(t, db.Advance(ctx, term, dxf.Advance{
			Task: tasks[0], State: dxf.TaskSucceed, Step: dxf.StepDone, Job: dxf.DDLRef(id), Change: dxf.OnJob(func(j *dxf.Job) { j.State = dxf.JobSynced }),
		}))
	}
	b.exec(`UPDATE tidb_background_subtask SET epoch = 77`)
	n, err := db.Archive(ctx, term, 10)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	count := func(query string) (n int) {
		require.NoError(t, db.SQL().QueryRowContext(ctx, query).Scan(&n))
		return n
	}
	require.Equal(t, 2, count(`SELECT COUNT(*) FROM tidb_global_task_history WHERE state = 'succeed' AND end_time IS NOT NULL`))
	require.Equal(t, 4, count(`SELECT COUNT(*) FROM tidb_background_subtask_history WHERE epoch = 77`))

	b.exec(`UPDATE tidb_global_task_history SET end_time = NOW() - INTERVAL 15 DAY WHERE id = 1`)
	b.exec(`UPDATE tidb_background_subtask_history SET state_update_time = UNIX_TIMESTAMP() - 15 * 86400 WHERE task_key = '1'`)
	_, err = db.Archive(ctx, term, 10)
	require.NoError(t, err)
	require.Equal(t, 1, count(`SELECT COUNT(*) FROM tidb_global_task_history WHERE id = 2`))
	require.Equal(t, 1, count(`SELECT COUNT(*) FROM tidb_global_task_history`))
	require.Equal(t, 2, count(`SELECT COUNT(*) FROM tidb_background_subtask_history`))
	require.Equal(t, 2, count(`SELECT COUNT(*) FROM tidb_ddl_history`))
}

// TestViewOfTypes: a node that knows another type of task makes the view count that one's
// rows, too, and one that knows none leaves it.
func TestViewOfTypes(t *testing.T) {
	const schema = "dxf_types"
	counts := func(types ...dxf.Type) (text string) {
		t.Helper()
		db, err := store.Open(t.Context(), store.Config{DSN: srv.DSN(), Schema: schema, Types: dxf.TypesOf(types...)})
		require.NoError(t, err)
		defer db.Close()
		require.NoError(t, db.SQL().QueryRowContext(t.Context(),
			"SELECT VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'ddl_jobs'", schema).Scan(&text))
		return text
	}
	third := dxf.Type{Name: "x", Number: 9, Key: "ddl/x/", Job: dxf.JobDDL, Steps: map[dxf.Step]dxf.StepInfo{3: {Counts: true}}}
	require.NotContains(t, counts(), "ddl/")
	require.Contains(t, counts(backfill.Type), "ddl/backfill/")
	both := counts(third, backfill.Type)
	require.Contains(t, both, "ddl/x/")
	require.Contains(t, both, "ddl/backfill/")
	require.Equal(t, both, counts())
	require.NotContains(t, counts(backfill.Type, importinto.Type), "ddl/x/")
}
