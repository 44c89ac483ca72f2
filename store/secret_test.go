package store_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/store"
)

// TestS15Secret: the nodes of a schema have one secret, others another.
func TestS15Secret(t *testing.T) {
	schema := fmt.Sprintf("dxf_%d", schemas.Add(1))
	a, b := openSchema(t, schema), openSchema(t, schema)
	require.Len(t, a.Secret(), 64)
	require.Equal(t, a.Secret(), b.Secret())
	require.NotEqual(t, a.Secret(), open(t).Secret())
}

// TestS15SetupByStranger: whoever holds the lock of the set-up, which everybody can
// guess, does not keep a node from starting.
func TestS15SetupByStranger(t *testing.T) {
	schema := fmt.Sprintf("dxf_%d", schemas.Add(1))
	admin := open(t).SQL()
	for _, q := range []string{"DROP USER IF EXISTS setup_stranger@'%'", "CREATE USER setup_stranger@'%' IDENTIFIED BY 'x'"} {
		_, err := admin.ExecContext(t.Context(), q)
		require.NoError(t, err)
	}
	cfg, err := mysql.ParseDSN(srv.DSN())
	require.NoError(t, err)
	cfg.User, cfg.Passwd = "setup_stranger", "x"
	strangers, err := sql.Open("mysql", cfg.FormatDSN())
	require.NoError(t, err)
	defer strangers.Close()
	stranger, err := strangers.Conn(t.Context())
	require.NoError(t, err)
	defer stranger.Close()
	var got int
	require.NoError(t, stranger.QueryRowContext(t.Context(), "SELECT GET_LOCK(?, 0)", "dxf_setup_"+schema).Scan(&got))
	require.Equal(t, 1, got)
	begun := time.Now()
	openSchema(t, schema)
	require.Less(t, time.Since(begun), 30*time.Second)
}

// TestOpenOlder: the tables of an older version get what they have not.
func TestOpenOlder(t *testing.T) {
	schema := fmt.Sprintf("dxf_%d", schemas.Add(1))
	old := openSchema(t, schema)
	for _, q := range []string{"ALTER TABLE tidb_global_task DROP COLUMN submitter", "DROP TABLE secret", "UPDATE counter SET value = 3 WHERE name = 'schema'"} {
		_, err := old.SQL().ExecContext(t.Context(), q)
		require.NoError(t, err)
	}
	db, err := store.Open(t.Context(), store.Config{DSN: srv.DSN(), Types: types, Schema: schema})
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Submit(t.Context(), dxf.Job{User: "a@%"}, dxf.NewTask{Type: backfill.Name, Meta: &backfill.Meta{}})
	require.NoError(t, err)
	tasks, err := db.Tasks(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a@%", tasks[0].User)
}
