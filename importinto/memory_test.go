package importinto

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestS22Memory: subtasks share what there is, one at a time gets more, none waits for
// ever, and none gets more than all.
func TestS22Memory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(Limits{Memory: 256 << 20, Row: 16 << 20}) // 64 MiB shared, 128 for one
		var said []string
		of := func() *holding {
			return &holding{memory: m, waiting: func(text string) { said = append(said, text) }}
		}
		a, b, c := of(), of(), of()
		require.NoError(t, a.hold(t.Context(), byReader, 40<<20))
		require.NoError(t, b.hold(t.Context(), byReader, 40<<20), "it has the rest")
		require.True(t, b.alone)
		require.NoError(t, c.hold(t.Context(), byReader, 20<<20))
		require.False(t, c.alone)
		require.NoError(t, b.hold(t.Context(), byLongRow, 80<<20))
		var much *tooMuch
		require.ErrorAs(t, b.hold(t.Context(), byUnpacker, 10<<20), &much)
		require.ErrorContains(t, much, "130 MiB are needed at once, and one file may have 128 MiB")
		b.next()
		require.NoError(t, b.hold(t.Context(), byUnpacker, 40<<20), "the next file")

		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		waiting.Go(func() { require.ErrorIs(t, c.hold(ctx, byReader, 60<<20), context.Canceled) })
		synctest.Wait()
		require.NotEmpty(t, said[len(said)-1])
		cancel()
		waiting.Wait()
		require.Empty(t, said[len(said)-1])
		waiting.Go(func() { require.NoError(t, a.hold(t.Context(), byReader, 100<<20)) })
		synctest.Wait()
		require.False(t, a.alone)
		b.release()
		waiting.Wait()
		require.True(t, a.alone)
		a.release()
		c.release()
		require.True(t, m.shared.TryAcquire(64<<20))
		require.True(t, m.rest.TryAcquire(1))
	})
}
