package backfill_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/server"
	"dxfproxy/table"
)

// left lists the ranges that the comparison left to the verify step.
func (h *harness) left() (all []table.Range) {
	h.Helper()
	subs, err := h.Store.Subtasks(h.Context(), h.Task.ID, backfill.StepBuild)
	require.NoError(h, err)
	for _, s := range subs {
		var c backfill.Comparison
		require.NoError(h, json.Unmarshal(s.Checkpoint, &c))
		for _, text := range c.Differ {
			var r table.Range
			require.NoError(h, json.Unmarshal(text, &r))
			all = append(all, r)
		}
	}
	return all
}

// TestCompareLeavesWhatDiffers: the comparison beside the build settles nothing
// itself, and the verify step looks at nothing else than what it left.
func TestCompareLeavesWhatDiffers(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(120_000))
	h.through(backfill.StepCopy)
	h.SQL("DELETE FROM " + server.Quote(h.meta.Shadow) + " WHERE id = 150000")
	sum := h.through(backfill.StepBuild)
	require.Zero(t, sum.Repaired)
	left := h.left()
	require.Len(t, left, 1)
	require.Equal(t, "1", h.Query("SELECT COUNT(*) FROM t WHERE id = 150000 AND "+left[0].Where("")))
	require.True(t, h.next())
	require.Equal(t, backfill.StepVerify, h.Task.Step)
	sum, err := h.run()
	require.NoError(t, err)
	require.EqualValues(t, 1, sum.Repaired)
	require.Less(t, sum.RowCount, int64(60_000), "what was equal is not read again")
	h.requireSame("t", h.meta.Shadow)
}

// TestCompareDoesNotWaitForItsOwnSlot: with the build still to come, and maybe
// queued behind the comparison itself, everything is left.
func TestCompareDoesNotWaitForItsOwnSlot(t *testing.T) {
	h := start(t, addIndex, nil, base, rows(3_000))
	h.through(backfill.StepCopy)
	require.True(t, h.next())
	subs := h.Lease()
	require.Greater(t, len(subs), 1, "the build, and beside it what to compare")
	for _, s := range subs[1:] {
		for range 2 {
			_, err := h.exec.RunSubtask(t.Context(), h.Task, s, nil)
			require.NoError(t, err)
		}
	}
	require.Len(t, h.left(), len(subs)-1)
	require.Equal(t, "3000", h.Query("SELECT COUNT(*) FROM t WHERE "+h.left()[0].Where("")))
}
