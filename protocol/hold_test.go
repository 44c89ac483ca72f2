package protocol

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHold: while the server holds, a transaction that is open goes on to its
// end, what would begin waits, and a hold is followed by a rest.
func TestHold(t *testing.T) {
	srv := &Server{}
	addr := startRelay(t, srv)
	inside, outside := open(t, addr, ""), open(t, addr, "")
	tx, err := inside.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, outside.Ping())

	require.True(t, srv.Hold(10*maxHold)) // a second at most
	began := time.Now()
	done := make(chan time.Duration, 1)
	go func() {
		_, err := outside.Exec("DO 1")
		if err != nil {
			t.Error(err)
		}
		done <- time.Since(began)
	}()
	for range 20 {
		_, err = tx.Exec("DO 1")
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
	require.Empty(t, done, "it waits")
	require.Less(t, time.Since(began), maxHold, "the open transaction did not")
	srv.Release()
	require.Less(t, <-done, maxHold)
	srv.Release()

	require.False(t, srv.Hold(time.Millisecond), "not again so soon")
	_, err = outside.Exec("DO 1")
	require.NoError(t, err)
}

// TestHoldEndsByItself: nobody depends on the release.
func TestHoldEndsByItself(t *testing.T) {
	srv := &Server{}
	db := open(t, startRelay(t, srv), "")
	require.NoError(t, db.Ping())
	const d = 100 * time.Millisecond
	require.True(t, srv.Hold(d))
	began := time.Now()
	_, err := db.Exec("DO 1")
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), d-10*time.Millisecond)
}
