package workload_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/internal/workload"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

var srv *mariadbd.Server

func TestMain(m *testing.M) { mariadbdtest.Main(m, &srv) }

// TestLoadComparesEveryRow runs a load, compares, and then plants one error of
// each kind, all of which must be found.
func TestLoadComparesEveryRow(t *testing.T) {
	schema, db := mariadbdtest.Schema(t, srv)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	table := workload.Table{Schema: schema, Name: "orders", Rows: 20_001, Seed: 7}
	require.NoError(t, table.Create(t.Context(), db, nil))

	l := workload.Start(t.Context(), workload.Config{Table: table, DSNs: []string{srv.DSN()}, Writers: 3, Seed: seed})
	require.Eventually(t, func() bool { return l.Stats().Changes >= 2000 || l.Err() != nil }, time.Minute, 10*time.Millisecond)
	require.NoError(t, l.Stop())
	rep, err := l.Verify(t.Context(), db)
	require.NoError(t, err)
	require.True(t, rep.Clean(), rep.String())
	require.Greater(t, rep.Rows, int64(19_000))

	ids := make([]int64, 0, 3)
	rows, err := db.QueryContext(context.Background(), "SELECT id FROM "+table.Quoted()+" ORDER BY id DESC LIMIT 3")
	require.NoError(t, err)
	for rows.Next() {
		var id int64
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(t, rows.Err())
	_, err = db.Exec("DELETE FROM "+table.Quoted()+" WHERE id = ?", ids[1])
	require.NoError(t, err)
	_, err = db.Exec("UPDATE "+table.Quoted()+" SET note = 'x' WHERE id = ?", ids[2])
	require.NoError(t, err)
	_, err = db.Exec("INSERT INTO " + table.Quoted() + " SELECT 900000, version, customer, code, amount, created_at, note FROM " + table.Quoted() + " LIMIT 1")
	require.NoError(t, err)
	rep, err = l.Verify(t.Context(), db)
	require.NoError(t, err)
	require.Equal(t, [3]int64{1, 1, 1}, [3]int64{rep.Missing, rep.Extra, rep.Wrong}, rep.String())
}
