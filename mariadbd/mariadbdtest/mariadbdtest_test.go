package mariadbdtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

var shared *mariadbd.Server

func TestMain(m *testing.M) { mariadbdtest.Main(m, &shared) }

func TestStartT(t *testing.T) {
	began := time.Now()
	srv := mariadbdtest.StartT(t, "max_connections=17")
	t.Logf("started in %v", time.Since(began))
	require.NotEqual(t, shared.Addr(), srv.Addr())

	_, db := mariadbdtest.Schema(t, srv)
	var n int
	require.NoError(t, db.QueryRow("SELECT @@max_connections").Scan(&n))
	require.Equal(t, 17, n)
}

func TestSchema(t *testing.T) {
	var name string
	t.Run("used", func(t *testing.T) {
		n, db := mariadbdtest.Schema(t, shared)
		name = n
		_, err := db.Exec("CREATE TABLE t (id INT PRIMARY KEY)")
		require.NoError(t, err)
	})
	_, db := mariadbdtest.Schema(t, shared)
	var left int
	require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", name).Scan(&left))
	require.Zero(t, left)
}
