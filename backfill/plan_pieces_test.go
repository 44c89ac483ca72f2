package backfill

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestC6PiecesFarAway: a piece takes longer than the ways to the store that it costs, and
// no node is left without one.
func TestC6PiecesFarAway(t *testing.T) {
	for _, c := range []struct {
		rows  int64
		nodes int
		trip  time.Duration
		want  int64
	}{
		{1_000_000, 3, 0, 41_666},
		{1_000_000, 3, 100 * time.Microsecond, 41_666},
		{1_000_000, 3, 50 * time.Millisecond, 130_000},
		{1_000_000, 3, time.Second, 333_333},
		{100_000, 3, 0, 10_000},
		{100_000, 3, 50 * time.Millisecond, 33_333},
		{100, 3, 50 * time.Millisecond, 10_000},
		{0, 0, time.Second, 10_000},
		{1_000_000_000, 3, 50 * time.Millisecond, 5_000_000},
	} {
		require.Equal(t, c.want, pieceSize(c.rows, c.nodes, c.trip), "%+v", c)
	}
}
