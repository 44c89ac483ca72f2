package backfill_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/changefeed"
	"dxfproxy/dxf"
	"dxfproxy/executor/executortest"
	"dxfproxy/internal/cluster/wire"
)

// followed lets the executor and the product's changefeed reach the store through a
// proxy only.
func (h *harness) followed() *wire.Wire {
	h.Helper()
	p, db, dsn := h.wired()
	h.real = true
	h.exec = backfill.NewWorker(db.SQL(), db, h.Log)
	feeds, err := changefeed.New(db, changefeed.Config{DSN: dsn, NodeID: executortest.Node, MetaSchema: h.Store.Schema(), Logger: h.Log})
	require.NoError(h, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- feeds.Run(ctx) }()
	h.Cleanup(func() { p.Delay(0); cancel(); require.NoError(h, <-ended) })
	return p
}

// TestC6CutoverFarAway: a changefeed that is not behind is not taken for one that is,
// because its answers are long on their way; and clients wait for few of these ways.
func TestC6CutoverFarAway(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(500))
	p := h.followed()
	h.ready()
	const trip = 150 * time.Millisecond
	p.Delay(trip)
	trips := p.Trips()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		h.next()
		_, err := h.run()
		ended <- err
	}()
	var slowest time.Duration
	for done := false; !done; {
		began := time.Now()
		_, err := h.DB.ExecContext(ctx, "UPDATE t SET a = a + 1 WHERE id = 3")
		require.NoError(t, err, "it stands still")
		slowest = max(slowest, time.Since(began))
		select {
		case err := <-ended:
			require.NoError(t, err)
			done = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	p.Delay(0)
	t.Logf("%d round trips, a writer waited %s", p.Trips()-trips, slowest)
	require.Less(t, slowest, 8*trip)
	h.won()
}

// TestC16MadeByHand: the index that a job makes is made by somebody else meanwhile.
func TestC16MadeByHand(t *testing.T) {
	for made, code := range map[string]uint16{"INDEX kb (b)": 1061, "INDEX another (b)": 8028} {
		asked := func(m *backfill.Meta) { m.Changes = []string{"ADD KEY `kb` (`b`)"} } // as table.Difference writes it
		h := start(t, addIndex, asked, base, rows(10))
		require.True(t, h.next())
		h.SQL("ALTER TABLE t ADD " + made)
		_, err := h.run()
		var told *dxf.Error
		require.ErrorAs(t, err, &told)
		require.Equal(t, code, told.Code, "%s: %s", made, told.Message)
	}
}
