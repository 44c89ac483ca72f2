package backfill

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
)

// noFeed is a store in which no feed may begin.
type noFeed struct {
	PlannerStore
	t *testing.T
}

func (n noFeed) StartFeed(context.Context, *sql.Tx, dxf.Feed) error {
	n.t.Error("a feed was started")
	return nil
}

// TestFeedWhilePreparing: an XA transaction is in the binlog in front of the
// feed's start, and XA RECOVER does not know it yet, because the server waits
// for a replica's receipt. Its rows would come by no feed.
func TestFeedWhilePreparing(t *testing.T) {
	srv := mariadbdtest.StartT(t, "rpl_semi_sync_master_wait_point=AFTER_SYNC", "rpl_semi_sync_master_timeout=2000")
	schema, db := mariadbdtest.Schema(t, srv)
	client, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer client.Close()
	for _, q := range []string{
		"CREATE TABLE t (id INT PRIMARY KEY)", "XA START 'x'", "INSERT INTO t VALUES (2)", "XA END 'x'", "SET GLOBAL rpl_semi_sync_master_enabled = ON",
	} {
		_, err := client.ExecContext(t.Context(), q)
		require.NoError(t, err, q)
	}
	s, err := server.OpenSession(t.Context(), db)
	require.NoError(t, err)
	defer s.Close()
	was, err := server.BinlogEnd(t.Context(), s)
	require.NoError(t, err)
	answer := make(chan error, 1)
	go func() {
		_, err := client.ExecContext(context.WithoutCancel(t.Context()), "XA PREPARE 'x'")
		answer <- err
	}()
	for end := time.Now().Add(20 * time.Second); ; {
		p, err := server.BinlogEnd(t.Context(), s)
		require.NoError(t, err)
		if was.Before(p) {
			break
		}
		require.True(t, time.Now().Before(end), "the transaction is not in the binlog")
	}
	known, err := server.Prepared(t.Context(), s)
	require.NoError(t, err)
	require.Empty(t, known, "the test came too late")

	b := NewPlanner(db, noFeed{t: t}, nil)
	err = b.startFeed(t.Context(), s, Meta{MetaHead: dxf.MetaHead{JobID: 7, Schema: schema, Table: "t"}})
	require.ErrorIs(t, err, errUndecided)
	require.NoError(t, <-answer)
	_, err = client.ExecContext(t.Context(), "XA ROLLBACK 'x'")
	require.NoError(t, err)
}
