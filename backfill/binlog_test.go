package backfill_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/changefeed"
	"dxfproxy/executor/executortest"
)

// TestBinlog takes jobs from start to end with the changefeed that the product
// has, while clients write. The finished table must be the table that was.
func TestBinlog(t *testing.T) {
	h := start(t, addIndex, nil, base, "CREATE TABLE log (n BIGINT AUTO_INCREMENT PRIMARY KEY, op CHAR(1), id BIGINT, a INT, b VARCHAR(40))", rows(50_000))
	h.real = true
	h.exec = backfill.NewWorker(h.Store.SQL(), h.Store, h.Log)
	feeds, err := changefeed.New(h.Store, changefeed.Config{DSN: srv.DSN(), NodeID: executortest.Node, MetaSchema: h.Store.Schema(), Logger: h.Log})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- feeds.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended) })

	w := h.write(4, 150_000)
	require.True(t, h.next())
	sum, err := h.run()
	require.NoError(t, err)
	require.InDelta(t, 50_000, sum.RowCount, 15_000)
	sum = h.ready()
	require.Zero(t, sum.Repaired)
	h.through(backfill.StepCutover)
	w.stop()
	won, err := h.plan.OnDone(t.Context(), h.Task, nil)
	require.NoError(t, err)
	require.True(t, won)
	h.requireDone()
	// What the log says of every row is what the table must hold.
	require.Equal(t, "0", h.Query(`SELECT COUNT(*) FROM (SELECT id, MAX(n) AS n FROM log GROUP BY id) m JOIN log l USING (n)
		LEFT JOIN t ON t.id = l.id WHERE IF(l.op = 'd', t.id IS NOT NULL, t.id IS NULL OR NOT (t.b <=> l.b AND t.a <=> l.a))`))
}
