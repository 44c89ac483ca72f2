package executor

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

func TestChunkSizer(t *testing.T) {
	s := ChunkSizer{Target: ChunkTarget, Cap: ChunkCap, Rows: ChunkStart}
	s.Took(time.Millisecond)
	require.EqualValues(t, ChunkStart*growth, s.Rows, "grows slowly")
	for range 50 {
		s.Took(time.Millisecond)
	}
	require.EqualValues(t, ChunkCap, s.Rows)
	s.Took(10 * ChunkTarget)
	require.EqualValues(t, ChunkCap/10, s.Rows, "shrinks at once")
	s.Took(ChunkTarget)
	require.EqualValues(t, ChunkCap/10, s.Rows)
	for range 20 {
		s.Collided()
	}
	require.EqualValues(t, 1, s.Rows)
	for range 7 {
		s.Took(time.Millisecond)
	}
	require.GreaterOrEqual(t, s.Rows, int64(ChunkCap/10), "comes back to its former size fast")
}

func TestLimiter(t *testing.T) {
	var l limiter
	now := time.Unix(1000, 0)
	require.Zero(t, l.Take(1000, 0, now), "no limit")
	require.LessOrEqual(t, l.Take(1000, 1000, now), time.Duration(0), "the bucket holds a second")
	require.Equal(t, time.Second, l.Take(1000, 1000, now))
	require.Equal(t, time.Second, l.Take(1000, 1000, now.Add(time.Second)))
	require.LessOrEqual(t, l.Take(1000, 1000, now.Add(time.Hour)), time.Duration(0))
}

func TestErrors(t *testing.T) {
	b := &Worker{}
	for _, err := range []error{driver.ErrBadConn, mysql.ErrInvalidConn, &mysql.MySQLError{Number: 1205}, &mysql.MySQLError{Number: 4031}, &mysql.MySQLError{Number: 1213}} {
		require.True(t, b.IsRetryableErr(fmt.Errorf("x: %w", err)), "%v", err)
	}
	for _, err := range []error{nil, dxf.Errorf("x"), dxf.ErrLeaseLost, &mysql.MySQLError{Number: 1062}, &mysql.MySQLError{Number: 1146}, errors.New("x")} {
		require.False(t, b.IsRetryableErr(err), "%v", err)
	}
}
