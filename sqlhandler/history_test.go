package sqlhandler

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
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

// TestSettledUnderLoad: who looks at the list waits for what was there before, and not for
// those who go on to make changes.
func TestSettledUnderLoad(t *testing.T) {
	y := newHistory()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- y.run(ctx, func(context.Context) bool { return true }, func(...dxf.Job) {
			y.later(dxf.Job{}) // there is always more
		})
	}()
	require.Eventually(t, func() bool { return y.later(dxf.Job{}) }, 10*time.Second, time.Millisecond)
	limit, done := context.WithTimeout(t.Context(), 10*time.Second)
	defer done()
	y.settled(limit)
	require.NoError(t, limit.Err())
	stop()
	require.NoError(t, <-ended)
}

// pickyJobs is a store that refuses some rows of the history.
type pickyJobs struct {
	Jobs
	written []int64
}

func (p *pickyJobs) HasUnfinishedJobs(context.Context) (bool, error) { return false, nil }

func (p *pickyJobs) Record(_ context.Context, jobs ...dxf.Job) (int64, error) {
	for _, j := range jobs {
		if j.ID == 2 {
			return 0, &mysql.MySQLError{Number: server.ErrTruncatedWrongValueForField}
		}
	}
	for _, j := range jobs {
		p.written = append(p.written, j.ID)
	}
	return 0, nil
}

// TestRecordRefused: a row that the store refuses takes no other with it.
func TestRecordRefused(t *testing.T) {
	p := &pickyJobs{}
	h := &Handler{jobs: p, log: zap.NewNop()}
	h.record(dxf.Job{ID: 1}, dxf.Job{ID: 2}, dxf.Job{ID: 3})
	require.Equal(t, []int64{1, 3}, p.written)
}

// slowJobs is a store that writes to the history only what it is let.
type slowJobs struct {
	Jobs
	let     chan struct{}
	written atomic.Int64
}

func (*slowJobs) HasUnfinishedJobs(context.Context) (bool, error) { return false, nil }

func (s *slowJobs) Record(_ context.Context, jobs ...dxf.Job) (int64, error) {
	<-s.let
	s.written.Add(int64(len(jobs)))
	return 0, nil
}

// TestS18NameFreed: before another table can come to a name, the history tells that the name
// was freed; what makes none free is written beside the client.
func TestS18NameFreed(t *testing.T) {
	s := &slowJobs{let: make(chan struct{})}
	h := &Handler{jobs: s, log: zap.NewNop(), history: newHistory()}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.history.run(ctx, h.awaited, h.record) }()
	require.Eventually(t, func() bool { return h.history.later(dxf.Job{}) }, 10*time.Second, time.Millisecond)
	h.keep(dxf.Job{Type: "create table"}, time.Now())
	require.Zero(t, s.written.Load())
	close(s.let)
	for i, typ := range []string{"drop table", "rename tables", "drop schema"} {
		h.keep(dxf.Job{Type: typ}, time.Now())
		require.EqualValues(t, 3+i, s.written.Load(), typ)
	}
	stop()
	require.NoError(t, <-ended)
}
