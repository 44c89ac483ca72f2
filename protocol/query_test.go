package protocol

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestS4AnswersToOurOwnQuestionsAreBounded: a client has a say in some of them, and
// may have no privilege at all. The session goes on, unless the answer does.
func TestS4AnswersToOurOwnQuestionsAreBounded(t *testing.T) {
	root := open(t, testStore.Addr(), "")
	_, err := root.Exec("CREATE USER IF NOT EXISTS usageonly@'%'")
	require.NoError(t, err)
	var most, before atomic.Uint64 // of the session, which outlives an answer
	addr := handling(t, func(ctx context.Context, c *Conn, stmt Statement) Reply {
		before.Store(memory())
		rows, err := c.Query(ctx, string(stmt.SQL[len("TEST "):]))
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most.Store(m.HeapInuse)
		var refusal *Error
		if errors.As(err, &refusal) {
			return refusal
		}
		if err != nil {
			return nil
		}
		return OK{AffectedRows: uint64(len(rows.Rows))}
	})
	const source = "SELECT 1, 2 FROM DUAL WHERE 1=0 UNION ALL SELECT a.TABLE_NAME, %s FROM information_schema.COLUMNS a, information_schema.COLUMNS b LIMIT %d"
	db := openAs(t, addr, "usageonly")
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for _, c := range []struct {
		value string
		rows  int
		fits  bool
	}{
		{"REPEAT('x', 100000)", 150, true},
		{"REPEAT('x', 100000)", 500, false},
		{"REPEAT('x', 15000000)", 1, true},
		{"REPEAT('x', 20000000)", 1, false},
		{"REPEAT('x', 50000000)", 1, false},
		{"1", 90_000, true},
		{"1", 110_000, false},
	} {
		name := fmt.Sprintf("%d of %s", c.rows, c.value)
		_, err := conn.ExecContext(t.Context(), "TEST "+fmt.Sprintf(source, c.value, c.rows))
		if c.fits {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, "dxfproxy keeps no more than 16 MiB", name)
		}
		require.Less(t, most.Load(), before.Load()+80<<20, name) // garbage of the reading with it
		require.NoError(t, conn.PingContext(t.Context()), name)
	}
	// Without an end to it the session cannot go on.
	_, err = conn.ExecContext(t.Context(), "TEST "+fmt.Sprintf(source, "REPEAT('x', 1000000)", 1_000_000))
	require.Error(t, err)
	require.Less(t, most.Load(), before.Load()+80<<20)
	require.NoError(t, db.Ping())
}
