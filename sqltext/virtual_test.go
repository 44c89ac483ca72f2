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
		"DESC tidb_global_task":                                               "DESC `dxf`.`tidb_global_task`",
		"SHOW CREATE TABLE dist_framework_meta":                               "SHOW CREATE TABLE `dxf`.`dist_framework_meta`",
		"DELETE FROM tidb_ddl_history WHERE job_id IN (SELECT 1)":             "DELETE FROM `dxf`.`tidb_ddl_history` WHERE job_id IN (SELECT 1)",
		"INSERT IGNORE INTO tidb_ddl_job (tidb_ddl_job) VALUES (1)":           "INSERT IGNORE INTO `dxf`.`tidb_ddl_job` (tidb_ddl_job) VALUES (1)",
		"SELECT mysql.tidb_ddl_job.job_id FROM tidb_ddl_job -- tidb_ddl_job ": "SELECT mysql.tidb_ddl_job.job_id FROM `dxf`.`tidb_ddl_job` -- tidb_ddl_job ",
	} {
		require.Equal(t, VirtualTables, Classify([]byte(text), Mode{}).Kind, text)
		got, changed := RewriteBareTables([]byte(text), Mode{}, "dxf", "mysql")
		require.True(t, changed, text)
		require.Equal(t, want, string(got))
		_, changed = RewriteBareTables([]byte(text), Mode{}, "dxf", "test")
		require.False(t, changed, text)
	}
	for _, text := range []string{
		"SELECT tidb_global_task FROM t", "SELECT 1 AS tidb_global_task", "SELECT * FROM t tidb_global_task", "SELECT * FROM t WHERE a IN (x, tidb_global_task)",
		"SELECT * FROM t GROUP BY a, tidb_global_task", "SELECT * FROM x.tidb_global_task", "SELECT * FROM ddl_jobs", "SELECT 'FROM tidb_global_task'",
		"UPDATE t SET a = 1, tidb_global_task = 2", "SELECT * FROM tidb_global_task.t", "SELECT * FROM tidb_global_task /*! x */",
	} {
		got, changed := RewriteBareTables([]byte(text), Mode{}, "dxf", "mysql")
		require.False(t, changed, text)
		require.Equal(t, text, string(got))
	}
	got, changed := RewriteBareTables([]byte("SELECT * FROM DDL_JOBS"), Mode{}, "dxf", "information_schema")
	require.True(t, changed)
	require.Equal(t, "SELECT * FROM `dxf`.`ddl_jobs`", string(got))
}
