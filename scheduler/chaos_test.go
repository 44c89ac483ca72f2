package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// Nodes die, are cut off, stop and come back, and users cancel, pause and
// resume, all at random. When it is over every job comes to an end, and no
// subtask was ever worked on by two who both believed in their lease (cluster
// checks that at every run).
func TestEveryJobEndsWhateverHappens(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			simulate(t, func(c *cluster) { havoc(c, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func havoc(c *cluster, r *rand.Rand) {
	c.work = func(ctx context.Context, _ *node, s dxf.Subtask, report func(dxf.Summary)) (dxf.Summary, error) {
		// Fixed by the subtask and its runs so far, not drawn from r: which run
		// comes first is up to the machine.
		runs := len(c.started(func(r run) bool { return r.sub.ID == s.ID }))
		kind := uint64(s.ID)*2654435761 + uint64(runs)*40503
		switch kind % 16 {
		case 0:
			return dxf.Summary{}, errRetry
		case 1: // it does not listen for a while
			<-time.After(time.Duration(kind%7) * time.Second)
		}
		report(dxf.Summary{RowCount: 1})
		return lasting(ctx, time.Duration(kind%5000)*time.Millisecond)
	}
	nodes := make(map[string]*node)
	for i := range 3 {
		id := fmt.Sprintf("n%d", i+1)
		nodes[id] = c.node(id, 3, "")
	}
	var jobs []int64
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond) {
		id := fmt.Sprintf("n%d", r.IntN(3)+1)
		n := nodes[id]
		switch r.IntN(9) {
		case 0:
			n.kill()
			nodes[id] = c.node(id, 3, "")
		case 1:
			n.stop()
			time.Sleep(time.Duration(r.IntN(12000)) * time.Millisecond)
			nodes[id] = c.node(id, 3, "")
		case 2, 3:
			n.link.cut.Store(!n.link.cut.Load())
		case 4:
			n.link.still.Store(int64(r.IntN(2) * r.IntN(12) * int(time.Second)))
		case 5, 6:
			jobs = append(jobs, c.submit(1+r.IntN(12), func(_ *dxf.NewTask, m *testMeta) { m.ErrorLimit = 100 }))
		default:
			if len(jobs) == 0 {
				continue
			}
			// An answer that it cannot be done is an answer too.
			job := jobs[r.IntN(len(jobs))]
			_ = []func(context.Context, int64) error{c.store.CancelJob, c.store.PauseJob, c.store.PauseJob, c.store.ResumeJob}[r.IntN(4)](c.ctx, job)
		}
	}
	for _, n := range nodes {
		n.link.cut.Store(false)
		n.link.still.Store(0)
	}
	ended := make(map[dxf.JobState]int)
	took := c.until(2*time.Minute, "every job has ended", func() bool {
		clear(ended)
		open := 0
		for _, id := range jobs {
			switch j := c.job(id); {
			case j.State.Ended():
				ended[j.State]++
			case j.State == dxf.JobPaused:
				_ = c.store.ResumeJob(c.ctx, id)
				open++
			default:
				open++
			}
		}
		return open == 0
	})
	c.t.Logf("%d jobs, %v, %d runs; all over %s after the last fault", len(jobs), ended, len(c.started(any1)), took)
	require.Len(c.t, jobs, ended[dxf.JobSynced]+ended[dxf.JobRollbackDone])
}
