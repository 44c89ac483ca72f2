package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/store"
)

// TestC8ClockSetBack: the store's clock was set back by an hour, so that every lease seems to
// have an hour left, and its holders are gone. Whoever looks finds out.
func TestC8ClockSetBack(t *testing.T) {
	t.Parallel()
	db := open(t)
	ctx := t.Context()
	gone, here := dxf.Node{ID: "gone:1", CPUCount: 1, UUID: "a"}, dxf.Node{ID: "here:1", CPUCount: 1, UUID: "b"}
	term, err := db.Campaign(ctx, gone)
	require.NoError(t, err)
	require.NoError(t, db.Register(ctx, gone))
	require.NoError(t, db.Register(ctx, here))
	tx, err := db.SQL().BeginTx(ctx, nil)
	require.NoError(t, err)
	require.NoError(t, db.StartFeed(ctx, tx, dxf.Feed{JobID: 1, Schema: "s", Table: "t", Shadow: "u", File: "f", Pos: 4}))
	require.NoError(t, tx.Commit())
	feed, err := db.Claim(ctx, 1, gone.ID)
	require.NoError(t, err)
	for _, table := range []string{"owner", "dist_framework_meta", "changefeed"} {
		_, err := db.Meta().ExecContext(ctx, "UPDATE "+table+" SET expires = expires + INTERVAL 1 HOUR")
		require.NoError(t, err)
	}
	began := time.Now()
	var next dxf.Term
	for elected, nodes, feeds := false, 2, 0; !elected || nodes != 1 || feeds != 1; <-time.After(500 * time.Millisecond) {
		require.NoError(t, db.Heartbeat(ctx, here.ID))
		if !elected {
			next, err = db.Campaign(ctx, here)
			elected = err == nil
		}
		live, err := db.Nodes(ctx)
		require.NoError(t, err)
		free, err := db.Claimable(ctx)
		require.NoError(t, err)
		nodes, feeds = len(live), len(free)
		if time.Since(began) < dxf.OwnerLease {
			require.False(t, elected, "the holder may live")
			require.Equal(t, 2, nodes)
			require.Zero(t, feeds)
		}
		require.Less(t, time.Since(began), 2*dxf.OwnerLease, "elected %v, %d nodes, %d feeds", elected, nodes, feeds)
	}
	require.ErrorIs(t, db.Renew(ctx, term), dxf.ErrNotOwner)
	require.NoError(t, db.Renew(ctx, next))
	expired, err := db.ExpireNodes(ctx, next)
	require.NoError(t, err)
	require.Equal(t, []string{gone.ID}, expired)
	claimed, err := db.Claim(ctx, 1, here.ID)
	require.NoError(t, err)
	require.Greater(t, claimed.Epoch, feed.Epoch)
}

// TestC20NameOfAFrozenNode: a node stood still for longer than its lease, and another was
// started under its name. It does not take the name back.
func TestC20NameOfAFrozenNode(t *testing.T) {
	t.Parallel()
	first := open(t)
	second := openSchema(t, first.Schema())
	ctx := t.Context()
	require.NoError(t, first.TakeName(ctx, dxf.Node{ID: "n:1", UUID: "1"}))
	_, err := first.Meta().ExecContext(ctx, "UPDATE dist_framework_meta SET expires = NOW(6)")
	require.NoError(t, err)
	require.NoError(t, second.TakeName(ctx, dxf.Node{ID: "n:1", UUID: "2"}))
	require.ErrorIs(t, first.Heartbeat(ctx, "n:1"), dxf.ErrNotFound)
	require.ErrorIs(t, first.Register(ctx, dxf.Node{ID: "n:1", UUID: "1"}), store.ErrNameTaken)
	require.NoError(t, second.Heartbeat(ctx, "n:1"))
}
