package dispatcher

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"dxfproxy/dxf"
	"dxfproxy/store/memstore"
)

var update = flag.Bool("update", false, "rewrite the output in testdata/*.txt")

// Stories are text files of commands with the owner's log under each. The
// owner is a real manager over a store in memory, called pass by pass; time is
// virtual. Commands:
//
//	node ID [slots=N] [role=R]     a node joins, or comes back
//	kill ID                        its heartbeats stop
//	leave ID                       it unregisters
//	role ID [R]                    its service scope changes
//	advance DURATION               time passes; nodes and owner renew their leases
//	submit table=T [ranges=N] [concurrency=N] [scope=S] [max_nodes=N] [priority=N]
//	tick                           one pass of the owner
//	work                           passes until nothing moves any more
//	run NODE [ORDINALS]            the node leases its pending subtasks of task 1, or task=N
//	finish|fail|stop|hold ORDINALS a running subtask succeeds, fails, is canceled, is paused
//	late ORDINALS                  a subtask succeeds under the first lease that was taken on it
//	cancel|pause|resume JOB        as ADMIN CANCEL, PAUSE, RESUME DDL JOBS
//	plan JOB [retry|fail|wait|ok] [TEXT] what planning answers, or waits for, from now on
//	won JOB [TEXT]                 the clean-up will find that the job's effect is in place, and fail
//	dirty JOB retry|fail|doubt|mend|ok [TEXT] how the clean-up will fail: for a reason that passes, for one of its own,
//	                               before it is known whether the job's effect is in place, or until somebody mends it
//	show [TASK]                    the rows
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var got string
			synctest.Test(t, func(t *testing.T) { got = newStory(t).tell(string(text)) })
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(text), got)
		})
	}
}

type story struct {
	t     *testing.T
	ctx   context.Context
	store *memstore.Store
	plan  *storyPlanner
	logs  *observer.ObservedLogs
	term  dxf.Term
	owner *tenure
	alive []dxf.Node
	// leases taken, by ordinal: what a node that does not know better writes under.
	leases map[int][]dxf.Lease
	again  bool
}

func newStory(t *testing.T) *story {
	core, logs := observer.New(zapcore.InfoLevel)
	s := &story{t: t, ctx: t.Context(), logs: logs, leases: make(map[int][]dxf.Lease)}
	s.plan = &storyPlanner{
		ranges: make(map[int64]int), plans: make(map[int64]error), waits: make(map[int64]string),
		won: make(map[int64]bool), dirty: make(map[int64]error),
	}
	kind := storyType
	kind.Planner = s.plan
	s.store = memstore.New(kind)
	m := NewManager(Config{Store: s.store, Log: zap.New(core), Types: dxf.TypesOf(kind)})
	var err error
	s.term, err = s.store.Campaign(s.ctx, dxf.Node{ID: "owner"})
	require.NoError(t, err)
	s.owner = newTenure(m, s.term, func(j job) {
		again, err := s.owner.finished(j.run())
		if err != nil {
			m.log.Warn("error", zap.Error(err))
		}
		s.again = s.again || again
	})
	return s
}

// tell runs the story and returns it with the output of this run.
func (s *story) tell(text string) string {
	var out strings.Builder
	for i, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			out.WriteString("\n")
		}
		commands, _, _ := strings.Cut(block+"\n", "----\n")
		out.WriteString(commands)
		var said []string
		quiet := true
		for line := range strings.Lines(commands) {
			if f := strings.Fields(line); len(f) > 0 && !strings.HasPrefix(line, "#") {
				quiet = false
				said = append(said, s.command(f)...)
			}
		}
		if quiet {
			continue
		}
		out.WriteString("----\n")
		for _, line := range said {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// command does what a line of the story says, and returns what there is to be told of it.
func (s *story) command(f []string) []string {
	pos, opt := arguments(f[1:])
	var err error
	var said []string
	switch f[0] {
	case "node":
		n := dxf.Node{ID: pos[0], CPUCount: number(opt["slots"], 2), Role: opt["role"], UUID: pos[0]}
		s.alive = append(s.alive, n)
		err = s.store.Register(s.ctx, n)
	case "kill", "leave":
		s.alive = slices.DeleteFunc(s.alive, func(n dxf.Node) bool { return n.ID == pos[0] })
		if f[0] == "leave" {
			err = s.store.Unregister(s.ctx, pos[0])
		}
	case "role":
		err = s.store.SetRole(s.ctx, pos[0], strings.Join(pos[1:], ""))
	case "advance":
		d, perr := time.ParseDuration(pos[0])
		require.NoError(s.t, perr)
		for end := time.Now().Add(d); time.Now().Before(end); {
			time.Sleep(min(time.Second, time.Until(end)))
			require.NoError(s.t, s.store.Renew(s.ctx, s.term))
			for _, n := range s.alive {
				require.NoError(s.t, s.store.Heartbeat(s.ctx, n.ID))
			}
		}
	case "submit":
		said, err = s.submit(opt)
	case "tick":
		err = s.owner.pass(s.ctx)
	case "work":
		for s.again = true; s.again && err == nil; {
			s.again = false
			err = s.owner.pass(s.ctx)
		}
	case "run":
		err = s.run(pos, opt)
	case "finish", "fail", "stop", "hold":
		err = s.finish(f[0], pos, opt)
	case "late":
		for _, ordinal := range strings.Split(pos[0], ",") {
			first := s.leases[number(ordinal, 0)][0]
			err = errors.Join(err, s.store.Finish(s.ctx, first, dxf.SubtaskSucceed, dxf.Summary{}, nil))
		}
	case "cancel":
		err = s.store.CancelJob(s.ctx, int64(number(pos[0], 0)))
	case "pause":
		err = s.store.PauseJob(s.ctx, int64(number(pos[0], 0)))
	case "resume":
		err = s.store.ResumeJob(s.ctx, int64(number(pos[0], 0)))
	case "plan", "won", "dirty":
		s.rig(f[0], pos)
	case "show":
		said = s.show()
	default:
		s.t.Fatalf("unknown command %q", f[0])
	}
	for _, e := range s.logs.TakeAll() {
		said = append(said, sentence(e))
	}
	if err != nil {
		said = append(said, "error: "+err.Error())
	}
	return said
}

// rig says what the planner of a job will answer.
func (s *story) rig(what string, pos []string) {
	job := int64(number(pos[0], 0))
	switch what {
	case "plan":
		s.plan.plans[job], s.plan.waits[job] = nil, ""
		if e := dxf.Errorf("%s", strings.Join(pos[2:], " ")); pos[1] == "retry" {
			s.plan.plans[job] = fmt.Errorf("%w: %w", errAgain, e)
		} else if pos[1] == "fail" {
			s.plan.plans[job] = e
		} else if pos[1] == "wait" {
			s.plan.waits[job] = strings.Join(pos[2:], " ")
		}
	case "won":
		s.plan.won[job] = true
		if len(pos) > 1 {
			s.plan.dirt = dxf.Errorf("%s", strings.Join(pos[1:], " "))
		}
	case "dirty":
		e := dxf.Errorf("%s", strings.Join(pos[2:], " "))
		s.plan.dirty[job] = map[string]error{
			"retry": fmt.Errorf("%w: %w", errAgain, e), "fail": e, "doubt": dxf.InDoubt{Err: e}, "mend": dxf.Mendable{Err: e}, "ok": nil,
		}[pos[1]]
	}
}

func (s *story) submit(opt map[string]string) ([]string, error) {
	t := dxf.NewTask{
		Type: storyType.Name, Priority: number(opt["priority"], dxf.DefaultPriority), Concurrency: number(opt["concurrency"], 2),
		TargetScope: opt["scope"], MaxNodeCount: number(opt["max_nodes"], 0),
		Meta: &dxf.MetaHead{Schema: "test", Table: opt["table"]},
	}
	j := dxf.Job{Type: "add index", Schema: "test", Table: opt["table"], State: dxf.JobQueueing, Reorg: &dxf.Reorg{}}
	id, err := s.store.Submit(s.ctx, j, t)
	s.plan.ranges[id] = number(opt["ranges"], 4)
	return []string{fmt.Sprintf("job %d", id)}, err
}

// each calls f with the subtasks of the present step of a task that are named
// by ordinal; all when none is.
func (s *story) each(pos []string, opt map[string]string, f func(dxf.Subtask) error) error {
	tasks, err := s.store.Tasks(s.ctx)
	require.NoError(s.t, err)
	for _, t := range tasks {
		if t.ID != int64(number(opt["task"], 1)) {
			continue
		}
		subs, err := s.store.Subtasks(s.ctx, t.ID, t.Step)
		require.NoError(s.t, err)
		for _, sub := range subs {
			if len(pos) > 0 && !slices.Contains(strings.Split(pos[0], ","), strconv.Itoa(sub.Ordinal)) {
				continue
			}
			if err := f(sub); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *story) run(pos []string, opt map[string]string) error {
	return s.each(pos[1:], opt, func(sub dxf.Subtask) error {
		if sub.ExecID != pos[0] || sub.State != dxf.SubtaskPending {
			return nil
		}
		leased, err := s.store.Lease(s.ctx, sub)
		s.leases[sub.Ordinal] = append(s.leases[sub.Ordinal], leased.Lease())
		return err
	})
}

func (s *story) finish(how string, pos []string, opt map[string]string) error {
	state := map[string]dxf.SubtaskState{
		"finish": dxf.SubtaskSucceed, "fail": dxf.SubtaskFailed, "stop": dxf.SubtaskCanceled, "hold": dxf.SubtaskPaused,
	}[how]
	return s.each(pos, opt, func(sub dxf.Subtask) error {
		var e *dxf.Error
		if state == dxf.SubtaskFailed {
			e = &dxf.Error{Code: 1062, State: "23000", Message: strings.Join(pos[1:], " ")}
		}
		if sub.State != dxf.SubtaskRunning {
			return nil
		}
		return s.store.Finish(s.ctx, sub.Lease(), state, dxf.Summary{}, e)
	})
}

func (s *story) show() (said []string) {
	tasks, err := s.store.Tasks(s.ctx)
	require.NoError(s.t, err)
	for _, t := range tasks {
		line := fmt.Sprintf("task %d %s %s:", t.ID, t.State, storyType.StepName(t.Step))
		subs, err := s.store.Subtasks(s.ctx, t.ID, t.Step)
		require.NoError(s.t, err)
		for _, sub := range subs {
			line += fmt.Sprintf(" %d %s %s;", sub.Ordinal, sub.ExecID, sub.State)
		}
		said = append(said, strings.TrimRight(line, ";:"))
	}
	for _, list := range []func(context.Context) ([]dxf.Job, error){
		s.store.UnfinishedJobs,
		func(ctx context.Context) ([]dxf.Job, error) { return s.store.History(ctx, 100) },
	} {
		jobs, err := list(s.ctx)
		require.NoError(s.t, err)
		for _, j := range jobs {
			line := fmt.Sprintf("job %d %s", j.ID, j.State)
			if j.Waiting != "" {
				line += ", waiting: " + j.Waiting
			}
			if j.Error != nil {
				line += ", error: " + j.Error.Message
			}
			if j.Note != nil {
				line += ", note: " + j.Note.Message
			}
			said = append(said, line)
		}
	}
	return said
}

// sentence prints a line of the log as people would say it.
func sentence(e observer.LoggedEntry) string {
	m := e.ContextMap()
	switch e.Message {
	case "task moved":
		line := fmt.Sprintf("task %v: %v -> %v, step %v", m["task"], m["from"], m["to"], m["step"])
		if m["error"] != nil {
			line += fmt.Sprintf(", %v", m["error"])
		}
		return line
	case "step planned":
		nodes, _ := m["nodes"].(map[string]int)
		var dealt []string
		for node, n := range nodes {
			dealt = append(dealt, fmt.Sprintf(" %q=%d", node, n))
		}
		slices.Sort(dealt)
		return strings.ReplaceAll(fmt.Sprintf("task %v: step %v, %v subtasks:%s", m["task"], m["step"], m["subtasks"], strings.Join(dealt, "")), `"`, "")
	case "subtasks placed":
		return fmt.Sprintf("task %v: %v subtasks %v %v -> %v", m["task"], m["state"], m["ordinals"], m["from"], m["to"])
	case "subtasks moved":
		return fmt.Sprintf("task %v: %v subtasks %v -> %v", m["task"], m["subtasks"], m["from"], m["to"])
	case "task waits":
		if m["waiting"] == "" {
			return fmt.Sprintf("task %v waits no more", m["task"])
		}
		return fmt.Sprintf("task %v waits: %v", m["task"], m["waiting"])
	case "planning", "clean up":
		return fmt.Sprintf("task %v: %s: %v, again in %v", m["task"], e.Message, m["error"], m["again in"])
	case "node expired":
		return fmt.Sprintf("node %v expired", m["node"])
	}
	line := e.Message
	for _, f := range e.Context {
		line += fmt.Sprintf(" %s=%v", f.Key, m[f.Key])
	}
	return line
}

func arguments(f []string) (pos []string, opt map[string]string) {
	opt = make(map[string]string)
	for _, a := range f {
		if k, v, ok := strings.Cut(a, "="); ok {
			opt[k] = v
		} else {
			pos = append(pos, a)
		}
	}
	return pos, opt
}

func number(text string, otherwise int) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return otherwise
	}
	return n
}
