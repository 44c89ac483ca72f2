package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"dxfproxy/dxf"
	"dxfproxy/grants"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/store"
)

// TestR2ListsAreBounded: ended jobs are their makers' to make long and many.
func TestR2ListsAreBounded(t *testing.T) {
	db, err := store.Open(t.Context(), store.Config{DSN: srv.DSN(), Types: types, Schema: "dxf_lists"})
	require.NoError(t, err)
	defer db.Close()
	var last int64
	for range 20 {
		last, err = db.Record(t.Context(), dxf.Job{Type: "create table", State: dxf.JobSynced, User: "a@%", Query: strings.Repeat("x", 1<<20)})
		require.NoError(t, err)
	}
	for _, list := range []func() ([]dxf.Job, error){
		func() ([]dxf.Job, error) { return db.History(t.Context(), 1000) },
		func() ([]dxf.Job, error) { return db.UserHistory(t.Context(), "a@%", 1000) },
	} {
		jobs, err := list()
		require.NoError(t, err)
		require.Less(t, len(jobs), 18)
		require.Equal(t, last, jobs[0].ID)
	}
}

// TestR2ClientsHaveTheirQueue: nodes do not wait behind what clients ask.
func TestR2ClientsHaveTheirQueue(t *testing.T) {
	db, err := store.Open(t.Context(), store.Config{DSN: srv.DSN(), Types: types, Schema: "dxf_queue"})
	require.NoError(t, err)
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var asking errgroup.Group
	for range 20 {
		asking.Go(func() error { _, err := db.Clients().Meta().ExecContext(ctx, "DO SLEEP(30)"); return err })
	}
	require.Eventually(t, func() bool { return db.Clients().Meta().Stats().WaitCount > 0 }, 10*time.Second, 5*time.Millisecond)
	short, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	_, err = db.Campaign(short, dxf.Node{ID: "n:1", UUID: "u"})
	require.NoError(t, err)
	_, err = db.Nodes(short)
	require.NoError(t, err)
	cancel()
	require.Error(t, asking.Wait())
}

// TestR11InitConnect: what the server sets for its clients, by init_connect, is not for nodes.
func TestR11InitConnect(t *testing.T) {
	s := mariadbdtest.StartT(t, "init-connect=SET autocommit = 0, sql_select_limit = 0")
	dsn := mariadbdtest.StoreDSN(t, s, "dxf")
	mc, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	open := func() *store.DB {
		db, err := store.Open(t.Context(), store.Config{
			DSN:   dsn,
			Meta:  grants.Account{User: mc.User + "_meta", Password: mc.Passwd},
			Trial: grants.Account{User: mc.User + "_trial", Password: mc.Passwd},
		})
		require.NoError(t, err)
		return db
	}
	a, b := open(), open()
	defer a.Close()
	defer b.Close()
	require.NotNil(t, a.Trial())
	require.NoError(t, a.SetGlobalVar(t.Context(), "tidb_ddl_reorg_worker_cnt", "7"))
	vars, err := b.GlobalVars(t.Context())
	require.NoError(t, err)
	require.Equal(t, "7", vars["tidb_ddl_reorg_worker_cnt"])
}
