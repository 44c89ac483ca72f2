package dxftest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/mariadbd/mariadbdtest"
)

// TestImportLocalFile: a file on the disks of some nodes is loaded by these, and the
// others do nothing; the log and SHOW IMPORT JOB say so. /proc/self/cwd is another folder for
// each process, as /data is on each machine.
func TestImportLocalFile(t *testing.T) {
	schema, direct := mariadbdtest.Schema(t, srv)
	im := &importer{house: &house{T: t, schema: schema, meta: metaSchema(t), direct: direct}, dir: t.TempDir()}
	execute(t, direct, loadTable)
	execute(t, direct, "CREATE TABLE t (id INT)")
	var all []string
	for i := range 12 {
		all = append(all, csvRows(i*750+1, (i+1)*750))
	}
	// Three machines: the file is on the first and the second, and another one of
	// the same name and size on the third.
	for i, n := range []string{"a", "b", "c"} {
		for part, rows := range all {
			if i == 2 {
				rows = strings.Repeat("?", len(rows)+1)
			}
			im.file(filepath.Join(n, "part-"+string(rune('a'+part))+".csv"), rows)
		}
		if i == 0 {
			im.file(filepath.Join(n, "alone.csv"), csvRows(1, 100))
		}
		t.Chdir(filepath.Join(im.dir, n))
		im.nodes = append(im.nodes, clustertest.Start(t, mariadbdtest.StoreDSN(t, srv, im.meta), 1, "--meta-schema", im.meta, "--import-dir", "/proc/self/cwd").Nodes...)
	}
	logs := func() (text string) {
		for _, n := range im.nodes {
			b, err := os.ReadFile(n.Log)
			require.NoError(t, err)
			text += string(b)
		}
		return text
	}
	workers := func() string {
		archived(t, direct, im.meta)
		return strings.TrimSpace(im.list("SELECT GROUP_CONCAT(DISTINCT exec_id ORDER BY exec_id) FROM `" + im.meta + "`.tidb_background_subtask_history WHERE step = 1 AND task_key = (SELECT MAX(id) FROM `" + im.meta + "`.tidb_global_task_history)"))
	}

	im.load(0, "IMPORT INTO load_t FROM '/proc/self/cwd/alone.csv'")
	im.loaded(100)
	require.Equal(t, im.nodes[0].Addr, workers())
	require.Contains(t, logs(), "not all nodes see the same files")
	im.nothingLeft()
	execute(t, direct, "TRUNCATE TABLE load_t")
	// Who asks for it elsewhere is told that it is not there.
	im.refuse(1, "IMPORT INTO load_t FROM '/proc/self/cwd/alone.csv'", 8160)

	r := im.start(1, "IMPORT INTO load_t FROM '/proc/self/cwd/part-*.csv' WITH max_write_speed = '4MiB'")
	seen := []string{im.nodes[0].Addr, im.nodes[1].Addr}
	slices.Sort(seen)
	require.Contains(t, im.job(im.session(2, ""))["Result_Message"], "only "+strings.Join(seen, ", ")+" see the files")
	require.NoError(t, r.wait())
	im.loaded(9000)
	require.Contains(t, im.nodes[0].Addr+","+im.nodes[1].Addr+","+im.nodes[0].Addr, workers())
	im.nothingLeft()
}
