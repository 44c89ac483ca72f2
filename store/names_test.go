package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/store"
)

// Two nodes of one name are one mistake, found at the start of the second; a node
// that was killed comes back at once.
func TestTwoNodesOfOneName(t *testing.T) {
	ctx := t.Context()
	schema := fmt.Sprintf("dxf_%d", schemas.Add(1))
	first, err := store.Open(ctx, store.Config{DSN: srv.DSN(), Types: types, Schema: schema})
	require.NoError(t, err)
	second := openSchema(t, schema)
	one, two := dxf.Node{ID: "n1", UUID: schema + "-1"}, dxf.Node{ID: "n1", UUID: schema + "-2"}
	require.NoError(t, first.TakeName(ctx, one))
	require.NoError(t, first.TakeName(ctx, one), "again, for itself")
	require.NoError(t, second.TakeName(ctx, dxf.Node{ID: "n2", UUID: schema + "-3"}))

	beating, stop := context.WithCancel(ctx)
	beats := make(chan error)
	go func() {
		defer close(beats)
		for beating.Err() == nil {
			if err := first.Heartbeat(beating, "n1"); err != nil && beating.Err() == nil {
				beats <- err
				return
			}
		}
	}()
	begun := time.Now()
	require.ErrorIs(t, second.TakeName(ctx, two), store.ErrNameTaken)
	require.Less(t, time.Since(begun), dxf.NodeLease)

	// Its proof survives the end of the session that holds it.
	var session int64
	held := func() error {
		return second.SQL().QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", second.LifeLock(one.UUID)).Scan(&session)
	}
	require.NoError(t, held())
	_, err = second.SQL().ExecContext(ctx, fmt.Sprintf("KILL %d", session))
	require.NoError(t, err)
	before := session
	require.Eventually(t, func() bool { return held() == nil && session != before }, dxf.NodeLease, 5*time.Millisecond)
	require.ErrorIs(t, second.TakeName(ctx, two), store.ErrNameTaken)
	stop()
	require.NoError(t, <-beats)

	require.NoError(t, first.Close()) // as by kill -9
	begun = time.Now()
	require.NoError(t, second.TakeName(ctx, two))
	require.Less(t, time.Since(begun), dxf.NodeLease/2)
	nodes, err := second.Nodes(ctx)
	require.NoError(t, err)
	require.Len(t, nodes, 2)
	require.Equal(t, two.UUID, nodes[0].UUID)
}

// One that stands still keeps its name until its lease is over.
func TestNameOfAFrozenNode(t *testing.T) {
	ctx := t.Context()
	schema := fmt.Sprintf("dxf_%d", schemas.Add(1))
	first, second := openSchema(t, schema), openSchema(t, schema)
	require.NoError(t, first.TakeName(ctx, dxf.Node{ID: "n1", UUID: schema + "-1"}))
	_, err := second.SQL().ExecContext(ctx, "UPDATE dist_framework_meta SET expires = NOW(6) + INTERVAL 1 SECOND")
	require.NoError(t, err)
	begun := time.Now()
	require.NoError(t, second.TakeName(ctx, dxf.Node{ID: "n1", UUID: schema + "-2"}))
	require.Greater(t, time.Since(begun), 500*time.Millisecond)
}
