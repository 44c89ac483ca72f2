package sqlhandler_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/mariadbd/mariadbdtest"
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
		"R1Settings":       settingsOfTheSession,
		"OthersJobs":       othersJobs,
		"Target":           target,
		"NoTransaction":    noTransaction,
		"OneNode":          oneNode,
		"Prepared":         prepared,
		"S20Privileges":    privilegesFirst,
		"S20Charsets":      clientCharsets,
		"FromSelect":       fromSelect,
		"FromSelectUser":   fromSelectUser,
		"FromSelectKilled": fromSelectKilled,
	} {
		t.Run(name, func(t *testing.T) { test(newBench(t, srv)) })
	}
}

func detached(b *bench) {
	db := b.open(0, "root")
	j := b.jobs(db, b.statement(" WITH detached, thread=99, cloud_storage_uri='s3://b/x?access-key=AK&secret-access-key=SK'"))[0]
	require.Equal(b, [...]string{b.file, fmt.Sprintf("`%s`.`t`", b.schema), "", "pending", "8B", "", "root@127.0.0.1"},
		[...]string{j.source, j.target, j.phase, j.status, j.size, j.message, j.by})
	require.False(b, j.rows.Valid || j.started.Valid || j.ended.Valid)
	require.WithinDuration(b, time.Now(), j.created.Time, 24*time.Hour)
	var m importinto.Meta
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

func finished(b *bench) {
	db := b.open(0, "root")
	b.exec(db, "SET time_zone = '+05:00'")
	id, done := b.running(db, b.statement(""))
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

func failed(b *bench) {
	db := b.open(0, "root")
	id, done := b.running(db, b.statement(""))
	b.move(b.task(id, dxf.TaskRunning), dxf.TaskReverting, importinto.StepImport, nil)
	b.move(b.task(id, dxf.TaskReverting), dxf.TaskReverted, importinto.StepImport, func(j *dxf.ImportJob) {
		j.Status, j.Error = dxf.ImportFailed, &dxf.Error{Code: 1062, State: "23000", Class: "kv", Message: "Duplicate entry '1' for key 'PRIMARY'"}
	})
	b.isError(b.end(done).err, 1062, "Duplicate entry")
	j := b.jobs(db, "SHOW IMPORT JOBS")[0]
	require.Equal(b, [...]any{"importing", "failed", false, "[kv:1062]Duplicate entry '1' for key 'PRIMARY'"}, [...]any{j.phase, j.status, j.rows.Valid, j.message})
	require.True(b, j.ended.Valid)
}

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

// settingsOfTheSession: what a client sets for its session answers none of our questions.
func settingsOfTheSession(b *bench) {
	b.user("reader", "SELECT, UPDATE, INSERT, DELETE ON SCHEMA.*", "FILE ON *.*")
	for _, limit := range []string{"DO 1", "SET sql_select_limit = 0"} {
		db := b.open(0, "reader")
		b.exec(db, limit)
		b.exec(db, "SET SESSION TRANSACTION READ ONLY")
		_, err := db.Exec(b.statement(" WITH detached"))
		require.Error(b, err)
	}
	require.Empty(b, b.jobs(b.open(0, "root"), "SHOW IMPORT JOBS"))

	b.user("maker", "ALL ON SCHEMA.*", "FILE ON *.*")
	maker := b.open(0, "maker")
	b.exec(maker, "SET sql_select_limit = 0")
	b.exec(maker, "SET tidb_ddl_reorg_batch_size = 100 + 1")
	j := b.jobs(maker, b.statement(" WITH detached"))
	require.Len(b, j, 1)
	require.Equal(b, "maker@%", j[0].by)
	require.Equal(b, []string{"maker@%"}, strs(b, b.direct, "SELECT submitter FROM "+b.meta+".tidb_global_task"))
	require.Equal(b, []string{"101"}, strs(b, maker, "SELECT @@tidb_ddl_reorg_batch_size, @@autocommit"))
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

// privilegesFirst: who may not import is told so, whatever stands behind the table, and
// before that has cost anything.
func privilegesFirst(b *bench) {
	b.user("nobody")
	b.exec(b.direct, "GRANT SELECT ON "+b.schema+".t TO nobody")
	b.exec(b.direct, "REVOKE SELECT ON "+b.schema+".t FROM nobody")
	b.exec(b.direct, "CREATE TABLE own (id INT)")
	b.exec(b.direct, "GRANT SELECT ON "+b.schema+".own TO nobody")
	db := b.open(0, "nobody")
	table := b.schema + ".t"
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, text := range []string{
		"IMPORT INTO " + table + " SET a = " + strings.Repeat("~", 1<<19) + "1 FROM '/x'",
		"IMPORT INTO " + table + " SET a = " + strings.Repeat("'a' ", 1<<17) + " FROM '/x'",
		"IMPORT INTO " + table + " SET a = ,,,, FROM '/x'",
		"IMPORT INTO " + table + " FROM '/x' WITH no_such_option",
		"IMPORT INTO " + table + " FROM SELECT " + strings.Repeat("~", 1<<19) + "1",
	} {
		b.refused(db, 1142, "SELECT command denied to user 'nobody'", text)
	}
	runtime.ReadMemStats(&after)
	b.Logf("%d MiB allocated", (after.TotalAlloc-before.TotalAlloc)>>20)
	require.Less(b, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
	b.refused(db, 1142, "UPDATE command denied", "IMPORT INTO "+b.schema+".own SET a = "+strings.Repeat("~", 1<<16)+"1 FROM '/x'")

	// Who may hears what is wrong.
	root := b.open(0, "root")
	b.refused(root, 1105, "at most 65536 are read", "IMPORT INTO t SET a = "+strings.Repeat("~", 1<<19)+"1 FROM '/x'")
	b.refused(root, 1105, "too complex", "IMPORT INTO t SET a = "+strings.Repeat("~", 1<<15)+"1 FROM '/x'")
	b.refused(root, 1064, "near", "IMPORT INTO t SET a = ) FROM '/x'")
	b.refused(root, 1064, "every quote closed", "IMPORT INTO t FROM 'unbalanced")
	b.refused(root, 1064, "no executable comment", "IMPORT INTO t FROM SELECT 1 /*! , 'a', 2 */")
}

// clientCharsets: a statement is read in the character set that the client writes in,
// by nobody but this node.
func clientCharsets(b *bench) {
	db := b.open(0, "root")
	b.exec(b.direct, "CREATE TABLE u (id INT PRIMARY KEY, a VARCHAR(20) CHARACTER SET utf8mb4)")
	for charset, text := range map[string]string{"utf8mb4": "тест", "cp1251": "\xf2\xe5\xf1\xf2", "koi8r": "\xd4\xc5\xd3\xd4"} {
		b.exec(db, "SET NAMES "+charset)
		b.refused(db, 8160, "no-such", "IMPORT INTO u SET a = '"+text+"' FROM '"+filepath.Dir(b.file)+"/no-such.csv'")
		b.exec(db, "IMPORT INTO u FROM SELECT 1, '"+text+"'")
		var a string
		require.NoError(b, b.direct.QueryRow("SELECT a FROM u").Scan(&a))
		require.Equal(b, "тест", a, charset)
		b.exec(b.direct, "DELETE FROM u")
	}
	b.exec(db, "SET NAMES utf8mb4")
	b.refused(db, 1300, `Invalid utf8mb4 character string: '\xE9`, "IMPORT INTO t SET a = '\xe9' FROM '/x'")
	b.exec(db, "SET NAMES cp1257")
	b.refused(db, 1300, `Invalid cp1257 character string`, "IMPORT INTO t SET a = '\xa1' FROM '/x'")
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
