package dispatcher

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dxfproxy/dxf"
)

// A world is what one pass read from the store.
type world struct {
	types dxf.Types
	nodes []dxf.Node              // that are alive
	tasks []dxf.Task              // that have not ended, best rank first
	subs  map[int64][]dxf.Subtask // of the present step, by task
	// maxUser is how many tasks of one account may run; 0: any number.
	maxUser int
}

// inHand says whether a task in this state counts as running. A paused one
// holds nothing.
func inHand(s dxf.TaskState) bool {
	return s != dxf.TaskPending && s != dxf.TaskPaused && !s.Ended()
}

// running says whether a task holds one of the places of running tasks. One that has
// stopped and is being cleaned up does not: that may wait for others for long.
func (w world) running(t dxf.Task) bool {
	return inHand(t.State) && !(t.State == dxf.TaskReverting && len(heldBy(w.subs[t.ID])) == 0)
}

// admit says of every pending task what it waits for before its first step may
// be planned; those that may start are not in the answer. starting are the
// pending tasks whose planning has begun.
//
// A task starts when there is a node where its concurrency fits beside the
// slots reserved for better-ranked tasks, or which has a slot free. (TiDB asks
// for as many free slots as the concurrency, because its subtask takes them all
// at once. Ours takes one.) The only task of an account starts without: a node
// has a slot more for an account that has none there, and there is a place more.
// And accounts take turns: of equal priority the one that has least running is first.
func (w world) admit(starting map[int64]bool) map[int64]string {
	var (
		waits    = make(map[int64]string)
		running  = 0
		of       = make(map[string]int) // running, by account
		used     = make(map[string]int) // slots taken now, by node
		reserved = make(map[string]int) // slots promised to better-ranked tasks
		behind   = w.behind()
	)
	for _, t := range w.tasks {
		if w.running(t) || starting[t.ID] {
			running++
			of[t.User]++
		}
		if w.running(t) {
			use(used, t, w.subs[t.ID])
		}
	}
	for _, t := range w.inTurn(of, starting) {
		nodes := inScope(w.nodes, t.TargetScope)
		if t.State == dxf.TaskPending && !starting[t.ID] {
			if job := behind[t.ID]; job != "" {
				waits[t.ID] = fmt.Sprintf("waits for %s on the same table", job)
				continue
			}
			if len(nodes) == 0 {
				waits[t.ID] = noNode(t.TargetScope)
				continue
			}
			first := t.User != "" && of[t.User] == 0
			if running >= dxf.MostRunningTasks || running >= dxf.MaxRunningTasks && !first {
				waits[t.ID] = fmt.Sprintf("waits for its turn, %d tasks running", running)
				continue
			}
			if t.User != "" && w.maxUser > 0 && of[t.User] >= w.maxUser {
				waits[t.ID] = fmt.Sprintf("waits for its turn, %d tasks of %s running (%s)", of[t.User], t.User, dxf.MaxUserJobs)
				continue
			}
			if !fits(t, nodes, used, reserved) && !first {
				waits[t.ID] = "waits for slots"
				continue
			}
			running++
			of[t.User]++
		}
		if t.State != dxf.TaskPaused {
			for _, n := range nodes {
				reserved[n.ID] += t.Concurrency
			}
		}
	}
	return waits
}

// inTurn is the tasks in the order in which they are admitted: by priority, then, of
// those that wait, the first of every account before the second of any, where the
// tasks that an account has running (of) are its first ones.
func (w world) inTurn(of map[string]int, starting map[int64]bool) []dxf.Task {
	turn := make(map[int64]int, len(w.tasks))
	next := maps.Clone(of)
	for _, t := range w.tasks {
		if t.State == dxf.TaskPending && !starting[t.ID] && t.User != "" {
			turn[t.ID] = next[t.User]
			next[t.User]++
		}
	}
	return slices.SortedStableFunc(slices.Values(w.tasks), func(a, b dxf.Task) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(turn[a.ID], turn[b.ID]))
	})
}

// fits says whether t may start on one of nodes, and counts its slots there as
// used if so.
func fits(t dxf.Task, nodes []dxf.Node, used, reserved map[string]int) bool {
	for _, n := range nodes {
		slots := slotsOf(n)
		need := min(max(t.Concurrency, 1), slots)
		if reserved[n.ID]+need <= slots || used[n.ID] < slots {
			used[n.ID] += need
			return true
		}
	}
	return false
}

// slotsOf is a node's capacity. A node whose CPUs are unknown has one slot.
func slotsOf(n dxf.Node) int { return max(n.CPUCount, 1) }

// use adds the slots that a task's unfinished subtasks take: one each, at most
// the task's concurrency on a node.
func use(used map[string]int, t dxf.Task, subs []dxf.Subtask) {
	for node, n := range heldBy(subs) {
		used[node] += min(n, max(t.Concurrency, 1))
	}
}

// behind returns, for every task with an earlier unfinished one on its table,
// running or waiting, the job of the latest of those. Earlier is by id: ranks may
// differ, but changes of one table happen in the order they were asked for. An
// import is one too: like a cut-over it puts another table in the place of the one
// that a job behind it has begun to copy.
func (w world) behind() map[int64]string {
	behind := make(map[int64]string)
	last := make(map[string]string) // job by table
	byID := slices.SortedFunc(slices.Values(w.tasks), func(a, b dxf.Task) int { return cmp.Compare(a.ID, b.ID) })
	for _, t := range byID {
		job, table := w.changes(t)
		if job == "" {
			continue
		}
		if before := last[table]; before != "" {
			behind[t.ID] = before
		}
		last[table] = job
	}
	return behind
}

// changes names a task's job, for people, and the table that it changes; "" for
// unknown types, and for none. Names are folded: whether the store tells T from t is the
// store's affair, and to wait is always safe.
func (w world) changes(t dxf.Task) (job, table string) {
	kind, known := w.types[t.Type]
	head, err := dxf.HeadOf(t.Meta)
	if !known || err != nil || head.Table == "" {
		return "", ""
	}
	job = fmt.Sprintf("task %d", t.ID)
	if ref := kind.JobIn(head); ref.ID != 0 {
		job = ref.String()
	}
	return job, strings.ToLower(head.Schema) + "\x00" + strings.ToLower(head.Table)
}

func noNode(scope string) string { return fmt.Sprintf("no node in service scope '%s'", scope) }
