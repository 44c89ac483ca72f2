package dispatcher

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/importinto"
)

var bothTypes = dxf.TypesOf(backfill.Type, importinto.Type)

func indexTask(id int64, state dxf.TaskState, table string) dxf.Task {
	meta, err := json.Marshal(backfill.Meta{MetaHead: dxf.MetaHead{JobID: 100 + id, Schema: "test", Table: table}})
	if err != nil {
		panic(err)
	}
	return dxf.Task{ID: id, Type: backfill.Name, State: state, Concurrency: 1, Meta: meta}
}

func TestAdmitOneTaskPerTable(t *testing.T) {
	other := indexTask(6, dxf.TaskPending, "t1")
	other.Type = importinto.Name
	behind := indexTask(7, dxf.TaskPending, "t1")
	unknown := indexTask(5, dxf.TaskPending, "t1")
	unknown.Type = "unknown"
	w := world{types: bothTypes, nodes: nodesOf("a", "b", "c"), tasks: []dxf.Task{
		indexTask(4, dxf.TaskPending, "T1"), // ranks best, but asked last
		indexTask(1, dxf.TaskPaused, "t1"),
		indexTask(2, dxf.TaskPending, "t1"),
		indexTask(3, dxf.TaskPending, "t2"),
		other, behind, unknown,
	}}
	require.Equal(t, map[int64]string{
		2: "waits for job 101 on the same table",
		4: "waits for job 102 on the same table",
		6: "waits for job 104 on the same table",
		7: "waits for import job 106 on the same table",
	}, w.admit(nil))
}

func TestAdmitAtMostSixteen(t *testing.T) {
	w := world{nodes: []dxf.Node{{ID: "a", CPUCount: 64}}}
	for i := range int64(20) {
		state := dxf.TaskRunning
		if i >= 14 {
			state = dxf.TaskPending
		}
		w.tasks = append(w.tasks, indexTask(i+1, state, fmt.Sprintf("t%d", i+1)))
	}
	w.tasks[0].State = dxf.TaskPaused // holds nothing
	waits := w.admit(map[int64]bool{15: true})
	require.Len(t, waits, 3)
	for id := int64(18); id <= 20; id++ {
		require.Equal(t, "waits for its turn, 16 tasks running", waits[id])
	}
}

func TestAdmitBySlots(t *testing.T) {
	running := func(id int64, concurrency int) dxf.Task {
		task := indexTask(id, dxf.TaskRunning, fmt.Sprintf("t%d", id))
		task.Concurrency = concurrency
		return task
	}
	pending := func(id int64, concurrency int) dxf.Task {
		task := running(id, concurrency)
		task.State = dxf.TaskPending
		return task
	}
	on := func(nodes ...string) (subs []dxf.Subtask) {
		for _, n := range nodes {
			subs = append(subs, dxf.Subtask{State: dxf.SubtaskRunning, ExecID: n})
		}
		return subs
	}
	for name, c := range map[string]struct {
		w    world
		want map[int64]string
	}{
		"fits beside the better one": {
			world{tasks: []dxf.Task{running(1, 1), pending(2, 1)}, subs: map[int64][]dxf.Subtask{1: on("a", "b")}},
			map[int64]string{},
		},
		"all slots taken": {
			world{tasks: []dxf.Task{running(1, 2), pending(2, 1)}, subs: map[int64][]dxf.Subtask{1: on("a", "a", "b", "b", "b")}},
			map[int64]string{2: "waits for slots"},
		},
		"a node has a free slot": {
			world{tasks: []dxf.Task{running(1, 2), pending(2, 2)}, subs: map[int64][]dxf.Subtask{1: on("a", "a", "b")}},
			map[int64]string{},
		},
		"a free slot is for one task": {
			world{tasks: []dxf.Task{running(1, 2), pending(2, 2), pending(3, 2)}, subs: map[int64][]dxf.Subtask{1: on("a", "a", "b")}},
			map[int64]string{3: "waits for slots"},
		},
		"a better one takes precedence": {
			world{tasks: []dxf.Task{pending(2, 2), running(1, 2)}, subs: map[int64][]dxf.Subtask{1: on("a", "a", "b", "b")}},
			map[int64]string{},
		},
		"asks for more than there is": {
			world{tasks: []dxf.Task{pending(1, 64)}},
			map[int64]string{},
		},
	} {
		c.w.nodes = nodesOf("a", "b")
		require.Equal(t, c.want, c.w.admit(nil), name)
	}
}

func TestAdmitNeedsANode(t *testing.T) {
	task := indexTask(1, dxf.TaskPending, "t1")
	task.TargetScope = "gold"
	w := world{nodes: nodesOf("a"), tasks: []dxf.Task{task}}
	require.Equal(t, map[int64]string{1: "no node in service scope 'gold'"}, w.admit(nil))
}

func TestModified(t *testing.T) {
	task := indexTask(1, dxf.TaskModifying, "t1")
	task.Step = backfill.StepCopy
	task.ModifyParams = []byte(`{"prev_state":"paused","modifications":[
		{"type":"modify_concurrency","to":8},{"type":"modify_batch_size","to":512},{"type":"modify_max_write_speed","to":1048576}]}`)
	a, err := modified(backfill.Type, task, 4)
	require.NoError(t, err)
	require.Equal(t, dxf.TaskPaused, a.State)
	require.Equal(t, backfill.StepCopy, a.Step)
	require.Equal(t, 4, a.Concurrency)
	var m backfill.Meta
	require.NoError(t, json.Unmarshal(a.Meta, &m))
	require.Equal(t, backfill.Meta{
		MetaHead: dxf.MetaHead{JobID: 101, Schema: "test", Table: "t1"}, Thread: 8, BatchSize: 512, MaxWriteSpeed: 1 << 20,
	}, m)

	// What cannot be applied changes nothing, but the task goes on.
	for _, params := range []string{``, `{"prev_state":"running","modifications":[{"type":"modify_colour","to":1}]}`, `{"prev_state":"reverted"}`} {
		task.ModifyParams = []byte(params)
		a, _ := modified(backfill.Type, task, 4)
		require.True(t, task.State.CanMove(a.State), params)
		require.Equal(t, dxf.TaskRunning, a.State, params)
		require.Zero(t, a.Concurrency)
	}
}

// of makes tasks of an account, on tables of their own.
func of(user string, state dxf.TaskState, concurrency int, ids ...int64) (tasks []dxf.Task) {
	for _, id := range ids {
		t := indexTask(id, state, fmt.Sprintf("t%d", id))
		t.User, t.Concurrency = user, concurrency
		tasks = append(tasks, t)
	}
	return tasks
}

// TestS21AccountsTakeTurns: no account has all places, or all slots.
func TestS21AccountsTakeTurns(t *testing.T) {
	hogRunning := of("hog@%", dxf.TaskRunning, 2, 1, 2, 3, 4)
	everySlot := map[int64][]dxf.Subtask{1: {
		{State: dxf.SubtaskRunning, ExecID: "a"}, {State: dxf.SubtaskRunning, ExecID: "a"},
		{State: dxf.SubtaskRunning, ExecID: "b"}, {State: dxf.SubtaskRunning, ExecID: "b"},
	}}
	const full = "waits for its turn, 4 tasks of hog@% running (dxf_max_user_jobs)"
	many := func(n, from int) (ids []int64) {
		for i := range n {
			ids = append(ids, int64(from+i))
		}
		return ids
	}
	for name, c := range map[string]struct {
		w    world
		want map[int64]string
	}{
		"as many as an account may run": {
			world{maxUser: 4, tasks: slices.Concat(hogRunning, of("hog@%", dxf.TaskPending, 1, 5, 6), of("a@%", dxf.TaskPending, 1, 7))},
			map[int64]string{5: full, 6: full},
		},
		"no limit": {
			world{tasks: slices.Concat(hogRunning, of("hog@%", dxf.TaskPending, 1, 5, 6))},
			map[int64]string{},
		},
		"all slots are one account's": {
			world{subs: everySlot, tasks: slices.Concat(hogRunning, of("hog@%", dxf.TaskPending, 1, 5), of("a@%", dxf.TaskPending, 1, 6, 7))},
			map[int64]string{5: "waits for slots", 7: "waits for slots"},
		},
		"two places are left": {
			world{tasks: slices.Concat(of("hog@%", dxf.TaskRunning, 1, many(14, 1)...), of("hog@%", dxf.TaskPending, 1, 15, 16), of("a@%", dxf.TaskPending, 1, 17, 18))},
			map[int64]string{15: "waits for its turn, 16 tasks running", 16: "waits for its turn, 16 tasks running"},
		},
		"R8: two accounts have all places": {
			world{tasks: slices.Concat(of("hog@%", dxf.TaskRunning, 1, many(8, 1)...), of("hog2@%", dxf.TaskRunning, 1, many(8, 9)...), of("hog@%", dxf.TaskPending, 1, 17), of("a@%", dxf.TaskPending, 1, 18, 19))},
			map[int64]string{17: "waits for its turn, 17 tasks running", 19: "waits for its turn, 17 tasks running"},
		},
		"each has one": {
			world{tasks: slices.Concat(of("", dxf.TaskRunning, 1, many(13, 1)...), of("hog@%", dxf.TaskPending, 1, 14, 15, 16), of("a@%", dxf.TaskPending, 1, 17), of("b@%", dxf.TaskPending, 1, 18))},
			map[int64]string{15: "waits for its turn, 16 tasks running", 16: "waits for its turn, 16 tasks running"},
		},
		"what is only being cleaned up counts for nobody": {
			world{maxUser: 4, tasks: slices.Concat(of("hog@%", dxf.TaskReverting, 1, many(20, 1)...), of("hog@%", dxf.TaskPending, 1, 21))},
			map[int64]string{},
		},
	} {
		c.w.nodes = nodesOf("a", "b")
		if c.w.subs == nil {
			for i := range c.w.nodes {
				c.w.nodes[i].CPUCount = 64
			}
		}
		require.Equal(t, c.want, c.w.admit(nil), name)
	}
}

// TestS6CleanUpHoldsNoPlace: a task whose subtasks have stopped has no place; one whose
// subtasks have not has one.
func TestS6CleanUpHoldsNoPlace(t *testing.T) {
	w := world{nodes: []dxf.Node{{ID: "a", CPUCount: 64}}, subs: map[int64][]dxf.Subtask{}}
	for id := range int64(16) {
		w.tasks = append(w.tasks, indexTask(id+1, dxf.TaskReverting, fmt.Sprintf("t%d", id)))
		w.subs[id+1] = []dxf.Subtask{{State: dxf.SubtaskRunning, ExecID: "a"}}
	}
	w.tasks = append(w.tasks, indexTask(17, dxf.TaskPending, "t17"))
	require.Equal(t, map[int64]string{17: "waits for its turn, 16 tasks running"}, w.admit(nil))
	w.subs[3][0].State = dxf.SubtaskCanceled
	require.Empty(t, w.admit(nil))
}
