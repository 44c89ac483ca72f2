package dxftest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestS18ImportOfAnother: an import is its submitter's act, into the table that the
// statement named, for as long as it runs.
func TestS18ImportOfAnother(t *testing.T) {
	im := newImporter(t, 2)
	admin := im.session(1, "")
	statement, rows := im.slowFiles()
	t.Cleanup(func() { _, _ = im.direct.Exec("DROP USER IF EXISTS loader@'%'") })
	for _, c := range []struct {
		name  string
		then  string // while it is paused
		code  uint16
		state string
	}{
		{"INSERT revoked", "REVOKE INSERT ON `" + im.schema + "`.* FROM loader@'%'", 1142, "42000"},
		{"FILE revoked", "REVOKE FILE ON *.* FROM loader@'%'", 1227, "42000"},
		{"made again", "CREATE OR REPLACE TABLE load_t LIKE load_t_as_it_was", 8028, "HY000"},
		{"nothing", "DO 1", 0, ""},
	} {
		if c.name == "made again" && !onMariaDB() {
			continue // MySQL has no such statement
		}
		t.Run(c.name, func(t *testing.T) {
			im := im.in(t)
			for _, q := range []string{
				"DROP TABLE IF EXISTS load_t, load_t_as_it_was", loadTable, "CREATE TABLE load_t_as_it_was LIKE load_t",
				"DROP USER IF EXISTS loader@'%'", "CREATE USER loader@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON `" + im.schema + "`.* TO loader@'%'", "GRANT FILE ON *.* TO loader@'%'",
			} {
				execute(t, im.direct, q)
			}
			r := im.startAs(0, "loader", statement)
			id := im.paused(admin)
			execute(t, im.direct, c.then)
			im.run(admin, "RESUME IMPORT JOB "+id)
			err := r.wait()
			if c.code == 0 {
				require.NoError(t, err)
				im.loaded(rows)
			} else {
				refused(t, err, c.code, c.state, "")
				require.Zero(t, scan[int](t, im.direct, "SELECT COUNT(*) FROM load_t"))
			}
			im.nothingLeft()
		})
	}
}
