package store_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/store"
)

// TestOwnerStartedAgain: the owner is killed and started again under its name.
// It is elected as soon as the store has noticed that its former life is over,
// and not before; everybody else waits for the lease.
func TestOwnerStartedAgain(t *testing.T) {
	schema := fmt.Sprintf("dxf_%d", schemas.Add(1))
	first, err := store.Open(t.Context(), store.Config{DSN: srv.DSN(), Types: types, Schema: schema})
	require.NoError(t, err)
	second := openSchema(t, schema)
	one, again := dxf.Node{ID: "n1", UUID: schema + "-1"}, dxf.Node{ID: "n1", UUID: schema + "-2"}
	term, err := first.Campaign(t.Context(), one)
	require.NoError(t, err)
	begun := time.Now()

	_, err = second.Campaign(t.Context(), again)
	require.ErrorIs(t, err, dxf.ErrNotOwner, "two living nodes of one name")
	_, err = first.Campaign(t.Context(), one)
	require.ErrorIs(t, err, dxf.ErrNotOwner)
	require.NoError(t, first.Renew(t.Context(), term))

	require.NoError(t, first.Close()) // which gives nothing up: the connections end, as by kill -9
	_, err = second.Campaign(t.Context(), dxf.Node{ID: "n2", UUID: schema + "-3"})
	require.ErrorIs(t, err, dxf.ErrNotOwner)
	var next dxf.Term
	require.Eventually(t, func() bool {
		next, err = second.Campaign(t.Context(), again)
		return err == nil
	}, dxf.OwnerLease/2, 5*time.Millisecond)
	require.Less(t, time.Since(begun), dxf.OwnerLease-time.Second)
	require.Equal(t, term.Number+1, next.Number)
	require.ErrorIs(t, second.Renew(t.Context(), term), dxf.ErrNotOwner)
	require.NoError(t, second.Renew(t.Context(), next))

	// The proof is renewed when its connection was cut: here, by the next term.
	var proof sql.NullInt64 // the session that holds it
	look := func() error {
		return second.SQL().QueryRowContext(t.Context(), "SELECT IS_USED_LOCK(?)", second.LifeLock(again.UUID)).Scan(&proof)
	}
	require.NoError(t, look())
	_, err = second.SQL().ExecContext(t.Context(), fmt.Sprintf("KILL %d", proof.Int64))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return look() == nil && !proof.Valid }, dxf.OwnerLease, 5*time.Millisecond)
	require.NoError(t, second.Resign(t.Context(), next))
	_, err = second.Campaign(t.Context(), again)
	require.NoError(t, err)
	third := openSchema(t, schema)
	_, err = third.Campaign(t.Context(), dxf.Node{ID: "n1", UUID: schema + "-4"})
	require.ErrorIs(t, err, dxf.ErrNotOwner)
}
