package sqltext

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpressions(t *testing.T) {
	// Each variable is replaced by ?, to see where it was found and what the
	// columns of the result are called.
	for text, want := range map[string]string{
		"SELECT @@tidb_enable_dist_task = 1":                                "SELECT ? = 1 AS `@@tidb_enable_dist_task = 1`",
		"SELECT 1, @@tidb_service_scope AS s":                               "SELECT 1, ? AS s",
		"SELECT @@global.tidb_ddl_reorg_worker_cnt + 0":                     "SELECT ? + 0 AS `@@global.tidb_ddl_reorg_worker_cnt + 0`",
		"select distinct @@TIDB_redact_log x, 2 FROM t LIMIT 1":             "select distinct ? x, 2 FROM t LIMIT 1",
		"SELECT IF(@@tidb_enable_dist_task, 'a', 'b'), @@version FROM t":    "SELECT IF(?, 'a', 'b') AS `IF(@@tidb_enable_dist_task, 'a', 'b')`, @@version FROM t",
		"SELECT 1 + @@tidb_enable_dist_task `x`, 5":                         "SELECT 1 + ? `x`, 5",
		"SELECT CONCAT(@@tidb_service_scope) 'x' FROM t":                    "SELECT CONCAT(?) 'x' FROM t",
		"SELECT @@tidb_enable_dist_task IS NULL":                            "SELECT ? IS NULL AS `@@tidb_enable_dist_task IS NULL`",
		"SELECT a FROM t WHERE a = @@tidb_enable_dist_task ORDER BY 1":      "SELECT a FROM t WHERE a = ? ORDER BY 1",
		"SELECT @@tidb_redact_log INTO @a":                                  "SELECT ? AS `@@tidb_redact_log` INTO @a",
		"(SELECT @@tidb_redact_log + 1)":                                    "(SELECT ? + 1)",
		"WITH x AS (SELECT @@tidb_redact_log) SELECT * FROM x":              "WITH x AS (SELECT ?) SELECT * FROM x",
		"SET @a = @@tidb_redact_log, @b = 1":                                "SET @a = ?, @b = 1",
		"INSERT INTO t VALUES (@@session.tidb_ddl_reorg_batch_size, '@@x')": "INSERT INTO t VALUES (?, '@@x')",
		"SELECT @@tidb_redact_log, 1 -- @@tidb_redact_log":                  "SELECT ? AS `@@tidb_redact_log`, 1 -- @@tidb_redact_log",
		"SELECT 1, @@`tidb_redact_log`":                                     "SELECT 1, ? AS `@@``tidb_redact_log```",
		"DO @@tidb_redact_log":                                              "DO ?",
	} {
		st, ok := Classify([]byte(text), Mode{}).(*Mixed)
		require.True(t, ok && !st.Tables(), text)
		edits := st.Labels
		for _, r := range st.Vars {
			edits = append(edits, Edit{r.Span, "?"})
		}
		require.Equal(t, want, string(st.With(edits)))
	}
	st := Classify([]byte("SELECT @@tidb_redact_log FROM mysql.tidb_ddl_job"), Mode{}).(*Mixed)
	require.True(t, st.Tables())
}
