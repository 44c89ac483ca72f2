package sqltext

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRewriteTables(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT * FROM mysql.tidb_global_task":                                                  "SELECT * FROM `dxf`.`tidb_global_task`",
		"select * from MySQL.TiDB_Global_Task_History h":                                        "select * from `dxf`.`tidb_global_task_history` h",
		"SELECT * FROM `mysql` . `tidb_background_subtask`":                                     "SELECT * FROM `dxf`.`tidb_background_subtask`",
		"SELECT * FROM mysql /* x */ . tidb_ddl_job,mysql.user":                                 "SELECT * FROM `dxf`.`tidb_ddl_job`,mysql.user",
		"SELECT mysql.tidb_ddl_history.job_id FROM mysql.tidb_ddl_history":                      "SELECT `dxf`.`tidb_ddl_history`.job_id FROM `dxf`.`tidb_ddl_history`",
		"SELECT DDL_JOBS.JOB_ID FROM INFORMATION_SCHEMA.DDL_JOBS":                               "SELECT `ddl_jobs`.JOB_ID FROM `dxf`.`ddl_jobs`",
		"SELECT a.ddl_jobs.x FROM information_schema.ddl_jobs":                                  "SELECT a.ddl_jobs.x FROM `dxf`.`ddl_jobs`",
		"SELECT 'mysql.tidb_global_task', id FROM mysql.tidb_import_jobs -- mysql.tidb_ddl_job": "SELECT 'mysql.tidb_global_task', id FROM `dxf`.`tidb_import_jobs` -- mysql.tidb_ddl_job",
		"INSERT INTO mysql.dist_framework_meta SELECT * FROM mysql.global_variables":            "INSERT INTO `dxf`.`dist_framework_meta` SELECT * FROM `dxf`.`global_variables`",
	} {
		got, changed := RewriteTables([]byte(text), Mode{}, "dxf")
		require.True(t, changed, text)
		require.Equal(t, want, string(got))
	}
	for _, text := range []string{
		"", "SELECT 1", "SELECT * FROM tidb_global_task", "SELECT * FROM x.tidb_global_task", "SELECT * FROM mysql.user",
		"SELECT * FROM information_schema.tidb_global_task", "SELECT x.mysql.tidb_global_task", "SELECT \"mysql.tidb_global_task\"",
		"SELECT * FROM mysql.tidb_global_task /*! x */", "SELECT * FROM mysql.tidb_global_task 'x", "SELECT DDL_JOBS.x FROM DDL_JOBS",
		"SELECT * FROM `mysql.tidb_global_task`", "SELECT * FROM mysql.tidb_global_task2", "SELECT * FROM performance_schema.global_variables",
	} {
		got, changed := RewriteTables([]byte(text), Mode{}, "dxf")
		require.False(t, changed, text)
		require.Equal(t, text, string(got))
	}
	got, _ := RewriteTables([]byte(`SELECT * FROM "mysql"."tidb_global_task"`), Mode{AnsiQuotes: true}, "my`x")
	require.Equal(t, "SELECT * FROM `my``x`.`tidb_global_task`", string(got))
}

func TestRewriteBareTables(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT * FROM tidb_global_task":                                              "SELECT * FROM `dxf`.`tidb_global_task`",
		"SELECT TIDB_DDL_JOB.job_id FROM TIDB_DDL_JOB WHERE tidb_ddl_job.job_id = 1":  "SELECT `tidb_ddl_job`.job_id FROM `dxf`.`tidb_ddl_job` WHERE `tidb_ddl_job`.job_id = 1",
		"SELECT * FROM user u, `tidb_global_task` g LEFT JOIN tidb_ddl_job j ON f(1)": "SELECT * FROM user u, `dxf`.`tidb_global_task` g LEFT JOIN `dxf`.`tidb_ddl_job` j ON f(1)",
		"SELECT * FROM (SELECT id, f(a, b) FROM (tidb_global_task, db)) tidb_ddl_job": "SELECT * FROM (SELECT id, f(a, b) FROM (`dxf`.`tidb_global_task`, db)) tidb_ddl_job",
		"(SELECT 1 FROM tidb_ddl_job) UNION SELECT id, state FROM tidb_global_task":   "(SELECT 1 FROM `dxf`.`tidb_ddl_job`) UNION SELECT id, state FROM `dxf`.`tidb_global_task`",
		"DESC tidb_global_task":                                     "DESC `dxf`.`tidb_global_task`",
		"SHOW CREATE TABLE dist_framework_meta":                     "SHOW CREATE TABLE `dxf`.`dist_framework_meta`",
		"DELETE FROM tidb_ddl_history WHERE job_id IN (SELECT 1)":   "DELETE FROM `dxf`.`tidb_ddl_history` WHERE job_id IN (SELECT 1)",
		"INSERT IGNORE INTO tidb_ddl_job (tidb_ddl_job) VALUES (1)": "INSERT IGNORE INTO `dxf`.`tidb_ddl_job` (tidb_ddl_job) VALUES (1)",
	} {
		require.Equal(t, want, in(text, "mysql"))
		require.Equal(t, text, in(text, "test"))
	}
	for _, text := range []string{
		"SELECT tidb_global_task FROM t", "SELECT 1 AS tidb_global_task", "SELECT * FROM t tidb_global_task", "SELECT * FROM t WHERE a IN (x, tidb_global_task)",
		"SELECT * FROM t GROUP BY a, tidb_global_task", "SELECT * FROM x.tidb_global_task", "SELECT * FROM ddl_jobs", "SELECT 'FROM tidb_global_task'",
		"UPDATE t SET a = 1, tidb_global_task = 2", "SELECT * FROM tidb_global_task.t", "SELECT * FROM tidb_global_task /*! x */",
	} {
		require.Equal(t, text, in(text, "mysql"))
	}
	require.Equal(t, "SELECT `dxf`.`tidb_ddl_job`.job_id FROM `dxf`.`tidb_ddl_job` -- tidb_ddl_job",
		in("SELECT mysql.tidb_ddl_job.job_id FROM tidb_ddl_job -- tidb_ddl_job", "mysql"))
	require.Equal(t, "SELECT * FROM `dxf`.`ddl_jobs`", in("SELECT * FROM DDL_JOBS", "information_schema"))
}

// in is a statement with its tables' names as they are meant in a schema.
func in(text, current string) string {
	if st, ok := Classify([]byte(text), Mode{}).(*Mixed); ok {
		return string(st.With(st.In("dxf", current, "")))
	}
	return text
}

// TestJobsTable puts a derived table in the place of the table of jobs.
func TestJobsTable(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT * FROM information_schema.ddl_jobs":                                    "SELECT * FROM (J) AS `ddl_jobs`",
		"SELECT * FROM INFORMATION_SCHEMA.DDL_JOBS j WHERE j.job_id = 1":               "SELECT * FROM (J) j WHERE j.job_id = 1",
		"SELECT ddl_jobs.job_id FROM ddl_jobs WHERE 1":                                 "SELECT `ddl_jobs`.job_id FROM (J) AS `ddl_jobs` WHERE 1",
		"(SELECT information_schema.ddl_jobs.job_id FROM information_schema.ddl_jobs)": "(SELECT `ddl_jobs`.job_id FROM (J) AS `ddl_jobs`)",
		"SELECT 1 FROM ddl_jobs a, mysql.tidb_ddl_job, variables_info":                 "SELECT 1 FROM (J) a, `dxf`.`tidb_ddl_job`, `dxf`.`variables_info`",
		"WITH x AS (SELECT * FROM ddl_jobs) SELECT * FROM x, ddl_jobs AS y":            "WITH x AS (SELECT * FROM (J) AS `ddl_jobs`) SELECT * FROM x, (J) AS y",
	} {
		st := Classify([]byte(text), Mode{}).(*Mixed)
		require.True(t, st.SelectsJobs("information_schema"), text)
		require.Equal(t, want, string(st.With(st.In("dxf", "information_schema", "(J)"))))
	}
	for _, text := range []string{"SHOW CREATE TABLE information_schema.ddl_jobs", "SELECT * FROM mysql.tidb_ddl_job", "DESC information_schema.ddl_jobs"} {
		require.False(t, Classify([]byte(text), Mode{}).(*Mixed).SelectsJobs("information_schema"), text)
	}
}

func TestAsksColumns(t *testing.T) {
	for text, want := range map[string]bool{
		"SHOW COLUMNS FROM mysql.tidb_global_task":              true,
		"show full fields from mysql.tidb_global_task like 'x'": true,
		"DESC mysql.tidb_global_task":                           true,
		"describe mysql . tidb_global_task ;":                   true,
		"DESC SELECT * FROM mysql.tidb_global_task":             false,
		"DESC mysql.tidb_global_task id":                        false,
		"SHOW INDEX FROM mysql.tidb_global_task":                false,
		"SHOW CREATE TABLE mysql.tidb_global_task":              false,
	} {
		require.Equal(t, want, Classify([]byte(text), Mode{}).(*Mixed).AsksColumns, text)
	}
}
