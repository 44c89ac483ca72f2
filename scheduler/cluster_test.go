package scheduler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/dispatcher"
	"dxfproxy/dxf"
	"dxfproxy/scheduler"
	"dxfproxy/store/memstore"
)

// rows is the store, as nodes and users see it.
type rows interface {
	dispatcher.TaskStore
	scheduler.SubtaskStore
	Submit(ctx context.Context, j dxf.Job, t dxf.NewTask) (int64, error)
	Job(ctx context.Context, id int64) (dxf.Job, error)
	CancelJob(ctx context.Context, id int64) error
	PauseJob(ctx context.Context, id int64) error
	ResumeJob(ctx context.Context, id int64) error
	Owner(ctx context.Context) (dxf.Term, error)
	SetRole(ctx context.Context, nodeID, role string) error
}

// A cluster is a few nodes over one store: in memory and in virtual time, or a
// server.
type cluster struct {
	t     *testing.T
	ctx   context.Context
	store rows
	steps ext
	// work is what executors do; the default takes a second.
	work func(ctx context.Context, n *node, s dxf.Subtask, report func(dxf.Summary)) (dxf.Summary, error)

	mu   sync.Mutex
	runs []run
	all  []*node
}

// A run is one call of an executor.
type run struct {
	node    string
	sub     dxf.Subtask
	at      time.Time
	ctx     context.Context
	cause   error // why its context ended
	ended   bool
	outcome error
}

// simulate runs f on a cluster and stops its nodes afterwards.
func simulate(t *testing.T, f func(c *cluster)) {
	synctest.Test(t, func(t *testing.T) {
		play(t, memstore.New(testType), f)
	})
}

func play(t *testing.T, store rows, f func(c *cluster)) {
	c := &cluster{t: t, ctx: t.Context(), store: store, work: second}
	defer func() {
		for _, n := range c.all {
			n.stop()
		}
	}()
	f(c)
}

func second(ctx context.Context, _ *node, _ dxf.Subtask, _ func(dxf.Summary)) (dxf.Summary, error) {
	return lasting(ctx, time.Second)
}

func lasting(ctx context.Context, d time.Duration) (dxf.Summary, error) {
	select {
	case <-ctx.Done():
		return dxf.Summary{}, context.Cause(ctx)
	case <-time.After(d):
		return dxf.Summary{RowCount: 10}, nil
	}
}

// A node is a dispatcher and a scheduler, as one process has them.
type node struct {
	c    *cluster
	id   string
	link *link
	d    *dispatcher.Manager
	s    *scheduler.Manager

	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (c *cluster) node(id string, slots int, role string) *node {
	n := &node{c: c, id: id, link: &link{rows: c.store}}
	self := dxf.Node{ID: id, CPUCount: slots, Role: role, UUID: id}
	log := zap.NewNop()
	kind := testType
	kind.Planner, kind.Worker = &c.steps, executor{n}
	n.d = dispatcher.NewManager(dispatcher.Config{
		Store: n.link, Node: self, Log: log,
		Types: dxf.TypesOf(kind),
		Notify: func([]dxf.Node) {
			for _, n := range c.nodes() {
				n.s.Wake()
			}
		},
	})
	n.s = scheduler.NewManager(scheduler.Config{
		Store: n.link, Node: self, Log: log,
		Types: dxf.TypesOf(kind),
		Finished: func() {
			for _, n := range c.nodes() {
				n.d.Wake()
			}
		},
	})
	ctx, cancel := context.WithCancel(c.ctx)
	n.cancel = cancel
	n.done.Go(func() { _ = n.d.Run(ctx) })
	n.done.Go(func() { _ = n.s.Run(ctx) })
	c.mu.Lock()
	c.all = append(c.all, n)
	c.mu.Unlock()
	return n
}

func (c *cluster) nodes() []*node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*node(nil), c.all...)
}

// stop is a clean stop.
func (n *node) stop() {
	n.cancel()
	n.done.Wait()
}

// kill ends the node without any word to the store.
func (n *node) kill() {
	n.link.cut.Store(true)
	n.stop()
}

// executor is the scheduler's view of cluster.work.
type executor struct{ n *node }

var errRetry = errors.New("try again")

func (e executor) RunSubtask(ctx context.Context, _ dxf.Task, s dxf.Subtask, report func(dxf.Summary)) (dxf.Summary, error) {
	c := e.n.c
	c.mu.Lock()
	i := len(c.runs)
	// Nobody begins on a subtask while another still believes it is theirs: the
	// deadline of a node ends before the store gives its work away.
	for _, r := range c.runs {
		if r.sub.ID == s.ID && !r.ended && r.ctx.Err() == nil {
			c.t.Errorf("subtask %d begins on %s (epoch %d) while %s (epoch %d) works on it",
				s.ID, e.n.id, s.Epoch, r.node, r.sub.Epoch)
		}
	}
	c.runs = append(c.runs, run{node: e.n.id, sub: s, at: time.Now(), ctx: ctx})
	c.mu.Unlock()
	end := func(err error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.runs[i].cause, c.runs[i].ended, c.runs[i].outcome = context.Cause(ctx), true, err
	}
	defer func() {
		if p := recover(); p != nil {
			end(fmt.Errorf("panic: %v", p))
			panic(p)
		}
	}()
	sum, err := c.work(ctx, e.n, s, report)
	end(err)
	return sum, err
}

func (e executor) IsRetryableErr(err error) bool { return errors.Is(err, errRetry) }

// started returns the runs so far that keep says to.
func (c *cluster) started(keep func(run) bool) (runs []run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.runs {
		if keep(r) {
			runs = append(runs, r)
		}
	}
	return runs
}

func on(id string) func(run) bool { return func(r run) bool { return r.node == id } }

// until waits for cond and returns how long that took.
func (c *cluster) until(limit time.Duration, what string, cond func() bool) time.Duration {
	c.t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if cond() {
			return time.Since(start)
		}
		if time.Since(start) > limit {
			require.Fail(c.t, "not within "+limit.String(), what)
		}
	}
}

func (c *cluster) submit(ranges int, change func(*dxf.NewTask, *testMeta)) int64 {
	c.t.Helper()
	c.steps.tables++
	m := testMeta{MetaHead: dxf.MetaHead{Schema: "test", Table: fmt.Sprintf("t%d", c.steps.tables), Rows: int64(ranges)}, ErrorLimit: 3}
	t := dxf.NewTask{Type: testType.Name, Concurrency: 2, Meta: &m}
	if change != nil {
		change(&t, &m)
	}
	id, err := c.store.Submit(c.ctx, dxf.Job{Type: "add index", State: dxf.JobQueueing, Reorg: &dxf.Reorg{}}, t)
	require.NoError(c.t, err)
	for _, n := range c.nodes() {
		n.d.Wake()
	}
	return id
}

func (c *cluster) job(id int64) dxf.Job {
	j, err := c.store.Job(c.ctx, id)
	require.NoError(c.t, err)
	return j
}

func (c *cluster) in(id int64, s dxf.JobState) func() bool {
	return func() bool { return c.job(id).State == s }
}

func (c *cluster) owner() string {
	term, err := c.store.Owner(c.ctx)
	require.NoError(c.t, err)
	return term.OwnerID
}

// subtasks returns the subtasks of the only unfinished task's step.
func (c *cluster) subtasks() []dxf.Subtask {
	tasks, err := c.store.Tasks(c.ctx)
	require.NoError(c.t, err)
	if len(tasks) == 0 {
		return nil
	}
	subs, err := c.store.Subtasks(c.ctx, tasks[0].ID, tasks[0].Step)
	require.NoError(c.t, err)
	return subs
}

const testStep dxf.Step = 1

// testType is the type of all tasks here.
var testType = dxf.Type{
	Name: "test", Number: 77, Key: "test/", Job: dxf.JobDDL,
	Steps:      map[dxf.Step]dxf.StepInfo{testStep: {Name: "work", Counts: true}},
	Cancelled:  &dxf.Error{Code: 8214, State: "HY000", Message: "Cancelled DDL job", Class: "ddl"},
	Panicked:   &dxf.Error{Code: 8211, State: "HY000", Message: "Reorg worker panic", Class: "ddl"},
	ErrorLimit: func(text []byte) int64 { return meta(dxf.Task{Meta: text}).ErrorLimit },
}

type testMeta struct {
	dxf.MetaHead
	ErrorLimit int64 `json:"error_limit"`
}

// ext plans one step, of as many subtasks as the meta has rows.
type ext struct {
	tables   int
	planning func(context.Context) error // nil: takes no time
}

func (x *ext) Plan(ctx context.Context, t dxf.Task, _ int, _ dxf.Tell) (dxf.Plan, error) {
	if x.planning != nil {
		if err := x.planning(ctx); err != nil {
			return dxf.Plan{}, err
		}
	}
	if t.Step != dxf.StepInit {
		return dxf.Plan{Step: dxf.StepDone}, nil
	}
	return dxf.Plan{Step: testStep, Subtasks: make([]dxf.Subtask, meta(t).Rows)}, nil
}

func (*ext) OnDone(context.Context, dxf.Task, dxf.Tell) (bool, error) { return false, nil }
func (*ext) IsRetryableErr(error) bool                                { return false }

func (*ext) Eligible(_ dxf.Task, nodes []dxf.Node) []dxf.Node { return nodes }

func (*ext) Complete(a *dxf.Advance, e *dxf.Error) {
	state := a.State
	a.Change = dxf.OnJob(func(j *dxf.Job) {
		j.Error = e
		switch state {
		case dxf.TaskRunning:
			j.State = dxf.JobRunning
		case dxf.TaskPaused:
			j.State = dxf.JobPaused
		case dxf.TaskSucceed:
			j.State = dxf.JobSynced
		case dxf.TaskReverted:
			j.State = dxf.JobRollbackDone
		}
	})
}

func meta(t dxf.Task) (m testMeta) {
	if err := json.Unmarshal(t.Meta, &m); err != nil {
		panic(err)
	}
	return m
}
