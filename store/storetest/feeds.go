package storetest

import (
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// startFeed starts a feed in a transaction of its own.
func (b *server) startFeed(f dxf.Feed) error {
	return b.InTx(b.ctx, func(tx *sql.Tx) error { return b.StartFeed(b.ctx, tx, f) })
}

func (b *server) feed(jobID int64) dxf.Feed {
	b.t.Helper()
	f, err := b.Feed(b.ctx, jobID)
	require.NoError(b.t, err)
	return f
}

func (b *server) commitFeed(f dxf.Feed, c dxf.FeedCommit) error {
	return b.InTx(b.ctx, func(tx *sql.Tx) error { return b.CommitFeed(b.ctx, tx, f, c) })
}

func (b *server) fenceFeed(f dxf.Feed) error {
	return b.InTx(b.ctx, func(tx *sql.Tx) error { return b.FenceFeed(b.ctx, tx, f) })
}

func (b *server) claimable() (jobs []int64) {
	b.t.Helper()
	feeds, err := b.Claimable(b.ctx)
	require.NoError(b.t, err)
	for _, f := range feeds {
		jobs = append(jobs, f.JobID)
	}
	return jobs
}

var someFeed = dxf.Feed{
	JobID: 7, Schema: "täst", Table: "t`", Shadow: "t__dxf7_new", Server: "server_id 7", File: "binlog.000003", Pos: 4294967295,
	// What StartFeed does not take from the caller:
	Mode: dxf.FeedSealed, ExecID: "nobody", Epoch: 1, Applied: 5, FileMark: "1@2",
}

// A feed is claimed by one, goes on from what was committed, stops, and begins anew.
func feedLife(b *server) {
	_, err := b.Feed(b.ctx, 7)
	require.ErrorIs(b.t, err, dxf.ErrNotFound)
	require.NoError(b.t, b.startFeed(someFeed))
	f := b.feed(7)
	require.NotZero(b.t, f.LagAt)
	first := f.Epoch
	f.Epoch, f.LagAt = 0, someFeed.LagAt
	want := someFeed
	want.Mode, want.ExecID, want.Epoch, want.Applied, want.FileMark = dxf.FeedMerge, "", 0, 0, ""
	require.Equal(b.t, want, f)
	require.Equal(b.t, []int64{7}, b.claimable())

	f = feedClaimed(b)
	require.Greater(b.t, f.Epoch, first)
	feedCommitted(b, f)
	claimed := feedClaimedAgain(b, f)
	stopped := feedStopped(b, claimed)
	feedBegunAnew(b, stopped)
}

// Of many that claim it, one has it.
func feedClaimed(b *server) dxf.Feed {
	var won atomic.Int64
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			_, err := b.Claim(b.ctx, 7, n1.ID)
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, dxf.ErrLeaseLost):
				b.t.Errorf("claim: %v", err)
			}
		})
	}
	all.Wait()
	require.EqualValues(b.t, 1, won.Load())
	require.Empty(b.t, b.claimable())
	f := b.feed(7)
	require.Equal(b.t, n1.ID, f.ExecID)
	return f
}

func feedCommitted(b *server, f dxf.Feed) {
	require.NoError(b.t, b.commitFeed(f, dxf.FeedCommit{File: "binlog.000004", Pos: 99, Applied: 10, Mode: dxf.FeedMerge}))
	require.NoError(b.t, b.commitFeed(f, dxf.FeedCommit{File: "binlog.000004", Pos: 199, Mark: "7@1", Applied: 5, Mode: dxf.FeedMerge}))
	is, err := b.RenewFeed(b.ctx, f)
	require.NoError(b.t, err)
	require.Equal(b.t, "binlog.000004", is.File)
	require.EqualValues(b.t, 199, is.Pos)
	require.Equal(b.t, "7@1", is.FileMark)
	require.Equal(b.t, someFeed.Server, is.Server)
	require.EqualValues(b.t, 15, is.Applied)
}

// Another has it once it is let go, and once the lease is over.
func feedClaimedAgain(b *server, f dxf.Feed) dxf.Feed {
	require.NoError(b.t, b.ReleaseFeed(b.ctx, f))
	require.Equal(b.t, []int64{7}, b.claimable())
	second, err := b.Claim(b.ctx, 7, "n2:4000")
	require.NoError(b.t, err)
	b.ExpireFeed(7)
	require.Equal(b.t, []int64{7}, b.claimable())
	third, err := b.Claim(b.ctx, 7, "n2:4000")
	require.NoError(b.t, err)
	require.Greater(b.t, third.Epoch, second.Epoch)
	return third
}

func (b *server) stopFeed() error {
	return b.InTx(b.ctx, func(tx *sql.Tx) error { return b.StopFeed(b.ctx, tx, 7) })
}

// Stopped, it is there for everybody to see and for nobody to take.
func feedStopped(b *server, claimed dxf.Feed) dxf.Feed {
	require.NoError(b.t, b.stopFeed())
	require.NoError(b.t, b.stopFeed())
	is := b.feed(7)
	require.Equal(b.t, dxf.FeedSealed, is.Mode)
	require.Equal(b.t, someFeed.Shadow, is.Shadow)
	require.Empty(b.t, b.claimable())
	_, err := b.Claim(b.ctx, 7, "n2:4000")
	require.ErrorIs(b.t, err, dxf.ErrLeaseLost)
	require.ErrorIs(b.t, b.commitFeed(claimed, dxf.FeedCommit{Mode: dxf.FeedMerge}), dxf.ErrLeaseLost)
	_, err = b.RenewFeed(b.ctx, claimed)
	require.ErrorIs(b.t, err, dxf.ErrLeaseLost)
	require.ErrorIs(b.t, b.FailFeed(b.ctx, claimed, dxf.Errorf("boo")), dxf.ErrLeaseLost)
	return is
}

// Begun anew, and then begun anew after it was dropped: no epoch twice.
func feedBegunAnew(b *server, stopped dxf.Feed) {
	require.NoError(b.t, b.startFeed(someFeed))
	require.Greater(b.t, b.feed(7).Epoch, stopped.Epoch)
	require.Zero(b.t, b.feed(7).Applied)
	require.Equal(b.t, []int64{7}, b.claimable())
	drop := func() error { return b.InTx(b.ctx, func(tx *sql.Tx) error { return b.DropFeed(b.ctx, tx, 7) }) }
	require.NoError(b.t, drop())
	require.NoError(b.t, drop())
	require.NoError(b.t, b.stopFeed(), "there is none")
	_, err := b.Feed(b.ctx, 7)
	require.ErrorIs(b.t, err, dxf.ErrNotFound)
	_, err = b.RenewFeed(b.ctx, stopped)
	require.ErrorIs(b.t, err, dxf.ErrNotFound)
	require.NoError(b.t, b.startFeed(someFeed))
	require.Greater(b.t, b.feed(7).Epoch, stopped.Epoch)
}

// An applier that stood still writes nothing, nor does one whose mode was
// changed meanwhile.
func feedFence(b *server) {
	require.NoError(b.t, b.startFeed(someFeed))
	zombie, err := b.Claim(b.ctx, 7, n1.ID)
	require.NoError(b.t, err)
	marker, err := b.Mark(b.ctx, 7, dxf.MarkSync)
	require.NoError(b.t, err)
	b.ExpireFeed(7)
	now, err := b.Claim(b.ctx, 7, n1.ID) // the same node, started again
	require.NoError(b.t, err)

	commit := dxf.FeedCommit{File: "binlog.000666", Pos: 666, Applied: 666, Mode: dxf.FeedMerge, Markers: []int64{marker}}
	before := b.feed(7)
	_, err = b.RenewFeed(b.ctx, zombie)
	require.ErrorIs(b.t, err, dxf.ErrLeaseLost)
	require.ErrorIs(b.t, b.ReleaseFeed(b.ctx, zombie), dxf.ErrLeaseLost)
	require.ErrorIs(b.t, b.FailFeed(b.ctx, zombie, dxf.Errorf("boo")), dxf.ErrLeaseLost)
	changed := now
	changed.Mode = dxf.FeedPaused
	for _, f := range []dxf.Feed{zombie, changed} {
		require.ErrorIs(b.t, b.commitFeed(f, commit), dxf.ErrLeaseLost)
		require.ErrorIs(b.t, b.fenceFeed(f), dxf.ErrLeaseLost)
		require.ErrorIs(b.t, b.OpenWindow(b.ctx, f, "binlog.000666", 666), dxf.ErrLeaseLost)
	}
	require.Equal(b.t, before, b.feed(7))
	acked, err := b.Marked(b.ctx, 7, marker)
	require.NoError(b.t, err)
	require.False(b.t, acked)
	require.NoError(b.t, b.fenceFeed(now))
	require.NoError(b.t, b.commitFeed(now, commit))
}

// A window that is open stays so for whoever comes after, until it is applied or
// the feed begins anew.
func feedWindow(b *server) {
	require.NoError(b.t, b.startFeed(someFeed))
	require.NoError(b.t, b.startFeed(dxf.Feed{JobID: 8, Schema: "s", Table: "u", Shadow: "u__dxf8_new", File: "binlog.000003", Pos: 4}))
	f, err := b.Claim(b.ctx, 7, n1.ID)
	require.NoError(b.t, err)
	require.NoError(b.t, b.OpenWindow(b.ctx, f, "binlog.000004", 4294967295))
	require.NoError(b.t, b.ReleaseFeed(b.ctx, f))
	require.Empty(b.t, b.feed(8).WindowFile)
	f, err = b.Claim(b.ctx, 7, n1.ID)
	require.NoError(b.t, err)
	require.Equal(b.t, "binlog.000004", f.WindowFile)
	require.Equal(b.t, uint32(4294967295), f.WindowPos)
	require.Equal(b.t, someFeed.File, f.File)

	commit := dxf.FeedCommit{File: "binlog.000005", Pos: 99, Mode: dxf.FeedMerge}
	require.NoError(b.t, b.commitFeed(f, commit))
	f, err = b.RenewFeed(b.ctx, f)
	require.NoError(b.t, err)
	require.Empty(b.t, f.WindowFile)
	require.Zero(b.t, f.WindowPos)

	late := f
	late.File, late.Pos = someFeed.File, someFeed.Pos
	require.ErrorIs(b.t, b.OpenWindow(b.ctx, late, "binlog.000005", 100), dxf.ErrLeaseLost, "the position has moved on")
	require.Empty(b.t, b.feed(7).WindowFile)

	open := func() {
		require.NoError(b.t, b.OpenWindow(b.ctx, f, "binlog.000005", 100))
		require.NoError(b.t, b.OpenWindow(b.ctx, f, "binlog.000005", 200), "it may be another one")
		require.EqualValues(b.t, 200, b.feed(7).WindowPos)
	}
	open()
	require.NoError(b.t, b.startFeed(someFeed))
	require.Empty(b.t, b.feed(7).WindowFile)
	f, err = b.Claim(b.ctx, 7, n1.ID)
	require.NoError(b.t, err)
	open()
	require.NoError(b.t, b.InTx(b.ctx, func(tx *sql.Tx) error { return b.DropFeed(b.ctx, tx, 7) }))
	require.NoError(b.t, b.startFeed(someFeed))
	require.Empty(b.t, b.feed(7).WindowFile)
}

func feedModes(b *server) {
	job, subs := b.running(b.elect(), 1)
	l := b.lease(subs[0]).Lease()
	require.ErrorIs(b.t, b.SetFeedMode(b.ctx, l, job, dxf.FeedPaused, dxf.FeedStrict), dxf.ErrNotFound)
	f := someFeed
	f.JobID = job
	require.NoError(b.t, b.startFeed(f))
	f, err := b.Claim(b.ctx, job, n1.ID)
	require.NoError(b.t, err)
	require.ErrorContains(b.t, b.SetFeedMode(b.ctx, l, job, dxf.FeedPaused, dxf.FeedStrict), "is merge, not paused")
	require.NoError(b.t, b.commitFeed(f, dxf.FeedCommit{Mode: dxf.FeedPaused}))
	require.NoError(b.t, b.SetFeedMode(b.ctx, l, job, dxf.FeedPaused, dxf.FeedStrict))
	require.NoError(b.t, b.SetFeedMode(b.ctx, l, job, dxf.FeedPaused, dxf.FeedStrict), "again")
	f, err = b.RenewFeed(b.ctx, f)
	require.NoError(b.t, err)
	require.Equal(b.t, dxf.FeedStrict, f.Mode)

	require.NoError(b.t, b.commitFeed(f, dxf.FeedCommit{Mode: dxf.FeedSealed}))
	f = b.feed(job)
	require.NoError(b.t, b.ReleaseFeed(b.ctx, f))
	require.Empty(b.t, b.claimable(), "a sealed feed wants no applier")
	_, err = b.Claim(b.ctx, job, n1.ID)
	require.ErrorIs(b.t, err, dxf.ErrLeaseLost)
	require.NoError(b.t, b.SetFeedMode(b.ctx, l, job, dxf.FeedSealed, dxf.FeedStrict))
	f, err = b.Claim(b.ctx, job, n1.ID)
	require.NoError(b.t, err)

	marker, err := b.Mark(b.ctx, job, dxf.MarkSeal)
	require.NoError(b.t, err)
	e := &dxf.Error{Code: 1062, State: "23000", Message: "Duplicate entry '1' for key 'u'"}
	require.NoError(b.t, b.FailFeed(b.ctx, f, e))
	require.Equal(b.t, e, b.feed(job).Error)
	require.Empty(b.t, b.claimable())
	_, err = b.Marked(b.ctx, job, marker)
	require.Equal(b.t, e, err)
	require.Equal(b.t, e, b.SetFeedMode(b.ctx, l, job, dxf.FeedSealed, dxf.FeedStrict))
}

func markers(b *server) {
	require.NoError(b.t, b.startFeed(someFeed))
	f, err := b.Claim(b.ctx, 7, n1.ID)
	require.NoError(b.t, err)
	var ids []int64
	for _, kind := range []dxf.MarkerKind{dxf.MarkSync, dxf.MarkPause, dxf.MarkSync} {
		id, err := b.Mark(b.ctx, 7, kind)
		require.NoError(b.t, err)
		ids = append(ids, id)
	}
	other, err := b.Mark(b.ctx, 8, dxf.MarkSync)
	require.NoError(b.t, err)
	// Markers are met in binlog order, which need not be that of their ids.
	require.NoError(b.t, b.commitFeed(f, dxf.FeedCommit{Mode: dxf.FeedPaused, Markers: []int64{ids[2], ids[1], other}}))
	for i, want := range []bool{false, true, true} {
		acked, err := b.Marked(b.ctx, 7, ids[i])
		require.NoError(b.t, err)
		require.Equal(b.t, want, acked, "marker %d", i)
	}
	_, err = b.Marked(b.ctx, 8, other)
	require.ErrorIs(b.t, err, dxf.ErrNotFound, "it has no feed")
	require.NoError(b.t, b.startFeed(someFeed))
	_, err = b.Marked(b.ctx, 7, ids[1])
	require.ErrorIs(b.t, err, dxf.ErrNotFound, "markers of an earlier attempt are forgotten")
}
