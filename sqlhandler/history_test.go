package sqlhandler

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// TestHistory: changes are written in their order, beside who makes them; who looks at the
// list waits for them, and none is lost when the node stops.
func TestHistory(t *testing.T) {
	y := newHistory()
	require.False(t, y.later(dxf.Job{}), "nobody would write it")
	y.settled(t.Context()) // at once
	ctx, stop := context.WithCancel(t.Context())
	var written []int64
	held := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- y.run(ctx, func(context.Context) bool { return false }, func(jobs ...dxf.Job) {
			<-held
			for _, j := range jobs {
				written = append(written, j.ID)
			}
		})
	}()
	require.Eventually(t, func() bool { return y.later(dxf.Job{ID: 1}) }, 10*time.Second, time.Millisecond)
	for id := int64(2); id <= maxKept; id++ {
		require.True(t, y.later(dxf.Job{ID: id}))
	}
	require.False(t, y.later(dxf.Job{}), "too many")
	close(held)
	y.settled(t.Context())
	require.Len(t, written, maxKept)
	require.EqualValues(t, maxKept, written[maxKept-1])
	stop()
	require.NoError(t, <-ended)
	require.False(t, y.later(dxf.Job{}))
}
