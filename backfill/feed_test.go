package backfill

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/executor"
)

// slowFeed is a changefeed that is three seconds behind.
type slowFeed struct {
	WorkerStore
	start time.Time
}

func (slowFeed) Mark(context.Context, int64, dxf.MarkerKind) (int64, error) { return 1, nil }

func (f slowFeed) Marked(context.Context, int64, int64) (bool, error) {
	return time.Since(f.start) > 3*time.Second, nil
}

func (slowFeed) Feed(context.Context, int64) (dxf.Feed, error) {
	return dxf.Feed{Mode: dxf.FeedStrict}, nil
}

// TestSyncTells: who waits for a changefeed says in which step, by its name.
func TestSyncTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		report := func(s dxf.Summary) { told = append(told, s.Waiting) }
		w := executor.NewWorker(Type, nil, nil, nil)
		r := &run{Run: w.Begin(dxf.Task{}, dxf.Subtask{Step: StepCutover}, report), store: slowFeed{start: time.Now()}}
		ok, err := r.sync(t.Context(), 0)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, []string{"cutover waits for the changefeed to catch up", ""}, told)
	})
}
