package sqlhandler

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
