package main

import (
	"database/sql"
	"net"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/mariadbd/mariadbdtest"
)

// TestNodeLogin: the node logs in over a connection of the relay's, says goodbye,
// and asks for nothing, whatever its DSN has for jobs.
func TestNodeLogin(t *testing.T) {
	store := mariadbdtest.StartT(t, "max_connections=20")
	db, err := sql.Open("mysql", store.DSN())
	require.NoError(t, err)
	defer db.Close()
	status := func(name string) (n int) {
		var ignored string
		require.NoError(t, db.QueryRow("SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&ignored, &n))
		return n
	}
	cfg, err := mysql.ParseDSN(store.DSN())
	require.NoError(t, err)
	cfg.DBName, cfg.Params = "nowhere", map[string]string{"lock_wait_timeout": "7"}
	logIn := nodeLogin(cfg.FormatDSN())
	logins, settings := status("Connections"), status("Com_set_option")
	for range 5 {
		conn, err := net.Dial("tcp", store.Addr())
		require.NoError(t, err)
		require.NoError(t, logIn(t.Context(), conn))
		require.Error(t, conn.Close(), "it is closed")
	}
	require.Equal(t, logins+5, status("Connections"))
	require.Equal(t, settings, status("Com_set_option"))
	require.Zero(t, status("Aborted_connects"))

	front := newRelay(config{}, backing{dsn: cfg.FormatDSN(), addrs: []string{store.Addr()}}, nil, nil, zap.NewNop())
	front.leaveRoom(t.Context(), db)
	require.Equal(t, 10, front.server.MaxUnanswered)
}
