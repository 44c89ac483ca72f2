package sqlhandler_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

// TestRights has the accounts of one server ask for what they may not have.
func TestRights(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	mysql := srv.Kind() != mariadbd.MariaDB
	for name, test := range map[string]func(b *bench, mysql bool){
		"S4WhereIsOneExpression":         whereIsOneExpression,
		"S4AnsiQuotes":                   ansiQuotes,
		"S4HalfCharacters":               halfCharacters,
		"S14SuperIsRead":                 superIsRead,
		"S14NamesThatLookLikePrivileges": namesLikePrivileges,
		"S16NodeVariables":               nodeVariables,
		"OwnDDLJobs":                     ownDDLJobs,
		"JobsOfTablesOneMayUse":          jobsOfTablesOneMayUse,
		"LongStatements":                 longStatements,
	} {
		t.Run(name, func(t *testing.T) { test(newBench(t, srv), mysql) })
	}
}

// longStatements: what a job keeps of its statement stands in lists that others read.
func longStatements(b *bench, _ bool) {
	db := b.open(0, "root")
	b.exec(db, "CREATE TABLE long_one /* "+strings.Repeat("\x01", 200_000)+" */ (a INT)")
	b.exec(db, "ALTER TABLE long_one ADD COLUMN b INT"+strings.Repeat(", COMMENT 'x'", 3000))
	const sizeSQL = " FROM `%s`.tidb_ddl_history WHERE table_name = 'long_one'"
	require.Eventually(b, func() bool {
		return strs(b, b.direct, fmt.Sprintf("SELECT COUNT(*)"+sizeSQL, b.meta))[0] == "2"
	}, 10*time.Second, 5*time.Millisecond, "jobs are noted when their clients have the answer")
	require.Equal(b, []string{"1"}, strs(b, b.direct, fmt.Sprintf("SELECT MAX(LENGTH(job_meta)) < 120000"+sizeSQL, b.meta)))
}

// whereIsOneExpression: what a client writes behind WHERE cannot become another
// SELECT beside ours.
func whereIsOneExpression(b *bench, _ bool) {
	db := b.open(0, "root")
	id := b.submit("root@127.0.0.1")
	require.Len(b, b.jobs(db, b.statement(" WITH detached")), 1)
	for _, show := range []string{"SHOW VARIABLES", "SHOW IMPORT JOBS", "ADMIN SHOW DDL JOBS"} {
		for _, where := range []string{
			"1=0 UNION ALL SELECT 1, 2", "1=1 GROUP BY 1", "1=1 LIMIT 1", "1=1 INTO OUTFILE '/tmp/x'", "1=1) OR (1=1",
			"1=1 -- \n UNION SELECT 1", "1=1 PROCEDURE ANALYSE()", "1=1 FOR UPDATE", "1=1 ORDER BY 1", "(1=1",
		} {
			_, err := db.Exec(show + " WHERE " + where)
			require.Error(b, err, show+" WHERE "+where)
			b.isError(err, 1064, "syntax")
		}
	}
	b.refused(db, 1241, "Operand should contain 1 column", "ADMIN SHOW DDL JOBS WHERE 1, 1")
	require.Len(b, strs(b, db, "ADMIN SHOW DDL JOBS WHERE 1=0 OR job_id = (SELECT "+fmt.Sprint(id)+") -- "), 1)
	require.Len(b, strs(b, db, "SHOW VARIABLES WHERE Variable_name = 'tidb_redact_log' /* ) */"), 1)
	b.refused(db, 1064, "syntax", "SET tidb_ddl_reorg_batch_size = 100 + 1 INTO @x")
	b.exec(db, "SET tidb_ddl_reorg_batch_size = 100 + 1")
}

// ansiQuotes: the status flags of MySQL do not tell where a double quote ends.
func ansiQuotes(b *bench, _ bool) {
	db := b.open(0, "root")
	b.submit("root@127.0.0.1")
	b.exec(db, "SET sql_mode = 'ANSI_QUOTES'")
	for _, where := range []string{`"\") UNION ALL SELECT 1, 2 -- "`, `1 = "\" UNION ALL SELECT 1, 2 -- "`} {
		for _, show := range []string{"SHOW VARIABLES", "ADMIN SHOW DDL JOBS"} {
			_, err := db.Exec(show + " WHERE " + where)
			require.Error(b, err)
			b.isError(err, 1064, "syntax")
		}
	}
	require.Len(b, strs(b, db, `SHOW VARIABLES WHERE "Variable_name" = 'tidb_redact_log'`), 1)
	b.exec(db, "SET sql_mode = ''")
	require.Len(b, strs(b, db, `SHOW VARIABLES WHERE Variable_name = "tidb_redact_log"`), 1)
}

// halfCharacters: in some character sets a backslash may be half a character. Their
// sessions are the store's.
func halfCharacters(b *bench, _ bool) {
	db := b.open(0, "root")
	b.submit("root@127.0.0.1")
	b.exec(db, "SET NAMES gbk")
	b.refused(db, 1064, "syntax", "ADMIN SHOW DDL JOBS WHERE 1 = '\xe7\\' UNION ALL SELECT 1 -- '")
	_, err := db.Exec("SHOW VARIABLES WHERE Variable_name = '\xe7\\' UNION ALL SELECT 1 -- '")
	require.Error(b, err)
	b.isError(err, 1064, "syntax")
}

// superIsRead: what the privileges on everything say decides, and nothing is written
// to the server to find out.
func superIsRead(b *bench, mysql bool) {
	connection := "CONNECTION ADMIN"
	if mysql {
		connection = "CONNECTION_ADMIN"
	}
	for _, c := range []struct {
		grants     []string
		super, set bool
	}{
		{nil, false, false},
		{[]string{connection + " ON *.*"}, false, false},
		{[]string{"ALL ON SCHEMA.*"}, false, false},
		{[]string{"SUPER ON *.*"}, true, true},
		{[]string{"PROCESS, SUPER ON *.*", "ALL ON SCHEMA.*"}, true, true},
		{[]string{"ALL ON *.*"}, true, true},
		{[]string{"SYSTEM_VARIABLES_ADMIN ON *.*"}, false, true},
	} {
		if !mysql && strings.Contains(fmt.Sprint(c.grants), "SYSTEM_VARIABLES") {
			continue // MariaDB has no such privilege
		}
		b.user("asker", append(c.grants, "SELECT ON SCHEMA.*")...)
		b.decides(b.open(0, "asker"), c.super, c.set, fmt.Sprint(c.grants))
	}

	b.user("asker", "SELECT ON SCHEMA.*")
	b.exec(b.direct, "DROP ROLE IF EXISTS boss, outer_boss")
	b.exec(b.direct, "CREATE ROLE boss")
	b.exec(b.direct, "CREATE ROLE outer_boss")
	b.exec(b.direct, "GRANT SUPER ON *.* TO boss")
	b.exec(b.direct, "GRANT boss TO outer_boss")
	b.exec(b.direct, "GRANT outer_boss TO asker")
	db := b.open(0, "asker")
	b.decides(db, false, false, "a role that is not active")
	b.exec(db, "SET ROLE outer_boss")
	b.decides(db, true, true, "a role")
	b.exec(db, "SET ROLE NONE")
	b.decides(db, false, false, "a role no more")
}

func (b *bench) decides(db *sql.DB, super, set bool, who string) {
	b.Helper()
	_, err := db.Exec("ADMIN SHOW DDL")
	if super {
		require.NoError(b, err, who)
	} else {
		b.isError(err, 8121, "privilege check for 'Super' fail")
	}
	_, err = db.Exec("SET GLOBAL tidb_redact_log = 'OFF'")
	if set {
		require.NoError(b, err, who)
	} else {
		b.isError(err, 1227, "the SUPER or SYSTEM_VARIABLES_ADMIN privilege(s)")
	}
}

// namesLikePrivileges: schemas, columns and roles of a user's own may be called as
// SHOW GRANTS calls privileges.
func namesLikePrivileges(b *bench, _ bool) {
	b.user("namer")
	b.exec(b.direct, "DROP DATABASE IF EXISTS `x ON *.* TO y`")
	b.exec(b.direct, "CREATE DATABASE `x ON *.* TO y`")
	defer b.exec(b.direct, "DROP DATABASE `x ON *.* TO y`")
	b.exec(b.direct, "GRANT ALL ON `x ON *.* TO y`.* TO namer")
	b.exec(b.direct, "CREATE TABLE named (`a, SUPER ON *.* TO b` INT)")
	b.exec(b.direct, "GRANT SELECT (`a, SUPER ON *.* TO b`) ON "+b.schema+".named TO namer")
	b.exec(b.direct, "DROP ROLE IF EXISTS `SUPER ON *.* TO z`")
	b.exec(b.direct, "CREATE ROLE `SUPER ON *.* TO z`")
	b.exec(b.direct, "GRANT `SUPER ON *.* TO z` TO namer")
	db := b.open(0, "namer")
	b.decides(db, false, false, "names")
	b.exec(db, "SET sql_mode = 'ANSI_QUOTES'")
	b.decides(db, false, false, "names")
}

// nodeVariables: a node is everybody's, in whatever form it is set.
func nodeVariables(b *bench, _ bool) {
	b.user("setter", "SELECT ON SCHEMA.*")
	db := b.open(0, "setter")
	for _, form := range []string{"", "SESSION ", "LOCAL ", "GLOBAL ", "PERSIST ", "PERSIST_ONLY ", "INSTANCE ", "@@", "@@session.", "@@instance.", "@@global."} {
		b.refused(db, 1227, "the SUPER or SYSTEM_VARIABLES_ADMIN privilege(s)", "SET "+form+"tidb_service_scope = 'x'")
		b.refused(db, 1227, "the SUPER or SYSTEM_VARIABLES_ADMIN privilege(s)", "SET @a = 1, "+form+"tidb_enable_ddl = OFF")
	}
	require.Equal(b, []string{""}, strs(b, db, "SELECT @@tidb_service_scope"))
	b.exec(db, "SET tidb_ddl_reorg_batch_size = 100") // the session's own
	b.exec(b.open(0, "root"), "SET tidb_enable_ddl = ON")
}

// ownDDLJobs: whoever submitted a job sees and stops it; others' need SUPER.
func ownDDLJobs(b *bench, _ bool) {
	b.user("owner", "ALL ON SCHEMA.*")
	b.user("other", "ALL ON SCHEMA.*")
	owner, other, root := b.open(0, "owner"), b.open(1, "other"), b.open(1, "root")
	mine, theirs := b.submit("owner@%"), b.submit("other@%")
	b.exec(owner, "CREATE TABLE made (a INT)")
	var done []string
	require.Eventually(b, func() bool { // it is written down when the client has its answer
		done = strs(b, root, "ADMIN SHOW DDL JOBS WHERE table_name = 'made'")
		return len(done) == 1
	}, 10*time.Second, 5*time.Millisecond)

	require.Equal(b, []string{fmt.Sprint(mine), done[0]}, strs(b, owner, "ADMIN SHOW DDL JOBS"))
	require.Equal(b, []string{fmt.Sprint(theirs)}, strs(b, other, "ADMIN SHOW DDL JOBS"))
	require.Equal(b, []string{fmt.Sprint(mine), fmt.Sprint(theirs), done[0]}, strs(b, root, "ADMIN SHOW DDL JOBS"))
	require.Equal(b, []string{"ALTER TABLE t ADD INDEX (a) -- owner@%"}, strs(b, owner, fmt.Sprintf("ADMIN SHOW DDL JOB QUERIES %d", mine)))
	require.Empty(b, strs(b, owner, fmt.Sprintf("ADMIN SHOW DDL JOB QUERIES %d", theirs)))
	require.Len(b, strs(b, owner, "ADMIN SHOW DDL JOB QUERIES LIMIT 10"), 2)
	b.refused(owner, 8121, "privilege check for 'Super' fail", "ADMIN SHOW DDL")

	for _, verb := range []string{"CANCEL", "PAUSE", "RESUME"} {
		for _, ids := range []string{fmt.Sprint(theirs), fmt.Sprintf("%d, %d", mine, theirs), "4711"} {
			b.refused(owner, 8121, "privilege check for 'Super' fail", "ADMIN "+verb+" DDL JOBS "+ids)
		}
	}
	b.refused(owner, 8121, "privilege check for 'Super' fail", fmt.Sprintf("ADMIN ALTER DDL JOBS %d thread = 2", theirs))
	b.exec(owner, fmt.Sprintf("ADMIN ALTER DDL JOBS %d thread = 2", mine))
	b.exec(owner, fmt.Sprintf("ADMIN CANCEL DDL JOBS %d", mine))
	j, err := b.db.Job(b.Context(), mine)
	require.NoError(b, err)
	require.Equal(b, dxf.JobCancelling, j.State)
	j, err = b.db.Job(b.Context(), theirs)
	require.NoError(b, err)
	require.Equal(b, dxf.JobQueueing, j.State)
}

// jobsOfTablesOneMayUse: information_schema.ddl_jobs shows the jobs of tables the
// reader has some privilege on, wherever in a SELECT it stands, and its own.
func jobsOfTablesOneMayUse(b *bench, _ bool) {
	b.user("reader", "SELECT ON SCHEMA.t")
	b.exec(b.direct, "CREATE TABLE another (a INT)")
	b.user("nobody", "SELECT ON SCHEMA.another")
	b.user("watcher", "SELECT ON SCHEMA.another")
	b.exec(b.direct, "GRANT SELECT ON "+b.meta+".ddl_jobs TO watcher")
	id := fmt.Sprint(b.submit("o'wner@%"))
	where := " WHERE DDL_JOBS.query LIKE '%o''wner@%' AND ddl_jobs.state = 'queueing'"
	for who, want := range map[string][]string{"root": {id}, "reader": {id}, "watcher": {id}, "nobody": nil} {
		db := b.open(0, who)
		for _, q := range []string{
			"SELECT job_id FROM information_schema.ddl_jobs" + where,
			"SELECT d.job_id FROM (SELECT 1 AS one) o JOIN INFORMATION_SCHEMA . `DDL_JOBS` AS d ON d.state = 'queueing' AND d.query LIKE '%o''wner@%'",
			"(SELECT job_id FROM information_schema.ddl_jobs j, (SELECT 2) x WHERE j.query LIKE '%o''wner@%')",
			"WITH w AS (SELECT information_schema.ddl_jobs.job_id FROM information_schema.ddl_jobs" + where + ") SELECT * FROM w",
			"SELECT MAX(job_id) FROM information_schema.ddl_jobs" + where + " HAVING COUNT(*) > 0",
		} {
			require.Equal(b, want, strs(b, db, q), who+": "+q)
			prepared, err := db.Prepare(q)
			require.NoError(b, err, who+": "+q)
			prepared.Close()
		}
		conn, err := db.Conn(b.Context())
		require.NoError(b, err)
		_, err = conn.ExecContext(b.Context(), "USE information_schema")
		require.NoError(b, err)
		var n int
		require.NoError(b, conn.QueryRowContext(b.Context(), "SELECT COUNT(*) FROM ddl_jobs"+where).Scan(&n))
		require.Len(b, want, n)
		require.NoError(b, conn.Close())
	}
	own := fmt.Sprint(b.submit("nobody@%"))
	require.Equal(b, []string{own}, strs(b, b.open(0, "nobody"), "SELECT job_id FROM information_schema.ddl_jobs"))
	b.refused(b.open(0, "nobody"), 1142, "denied", "DELETE FROM information_schema.ddl_jobs")
}

// submit makes a DDL job of an account.
func (b *bench) submit(user string) int64 {
	b.Helper()
	id, err := b.db.Submit(b.Context(), dxf.Job{
		Type: "add index", Schema: b.schema, Table: "t", Query: "ALTER TABLE t ADD INDEX (a) -- " + user, User: user,
		Reorg: &dxf.Reorg{Ingest: true, Dist: true, Thread: 4, BatchSize: 256},
	}, dxf.NewTask{Type: backfill.Name, Concurrency: 4, Meta: &backfill.Meta{MetaHead: dxf.MetaHead{Schema: b.schema, Table: "t"}}})
	require.NoError(b, err)
	return id
}

// strs is the first column of what a query answers.
func strs(b *bench, db *sql.DB, query string) []string {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
	defer cancel()
	rows, err := db.QueryContext(ctx, query)
	require.NoError(b, err, query)
	defer rows.Close()
	cols, err := rows.Columns()
	require.NoError(b, err)
	var all []string
	for rows.Next() {
		to := make([]any, len(cols))
		for i := range to {
			to[i] = new(sql.NullString)
		}
		require.NoError(b, rows.Scan(to...))
		all = append(all, to[0].(*sql.NullString).String)
	}
	require.NoError(b, rows.Err())
	return all
}
