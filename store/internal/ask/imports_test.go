package ask

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// TestImportElapsed: the time that an import stood still is none it took.
func TestImportElapsed(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := began.Add(time.Hour)
	elapsed := func(m dxf.MetaHead) time.Duration {
		return ImportProgress(dxf.Task{}, m, StepSum{Began: began}, StepSum{}, "", now).Elapsed
	}
	require.Equal(t, time.Hour, elapsed(dxf.MetaHead{}))
	require.Equal(t, 50*time.Minute, elapsed(dxf.MetaHead{Pauses: dxf.Pauses{Paused: 10 * time.Minute}}))
	require.Equal(t, 20*time.Minute, elapsed(dxf.MetaHead{Pauses: dxf.Pauses{Paused: 10 * time.Minute, PausedAt: began.Add(30 * time.Minute)}}))
	require.Zero(t, elapsed(dxf.MetaHead{Pauses: dxf.Pauses{Paused: 2 * time.Hour}}))
}
