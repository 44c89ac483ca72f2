package dispatcher

import (
	"cmp"
	"slices"

	"dxfproxy/dxf"
)

// backgroundRole is the service scope that tasks without a scope prefer.
const backgroundRole = "background"

// inScope returns the nodes a task with this target scope may run on. A task
// without one runs on the background nodes when there are any, else on nodes
// without a scope. Otherwise the scopes must be equal; there is no fall-back.
func inScope(nodes []dxf.Node, scope string) []dxf.Node {
	with := func(role string) (in []dxf.Node) {
		for _, n := range nodes {
			if n.Role == role {
				in = append(in, n)
			}
		}
		return in
	}
	if scope == "" {
		if in := with(backgroundRole); len(in) > 0 {
			return in
		}
	}
	return with(scope)
}

// roomy returns the nodes that have a slot left by better-ranked tasks, or all
// when none has: a subtask may as well queue there.
func roomy(nodes []dxf.Node, used map[string]int) []dxf.Node {
	var free []dxf.Node
	for _, n := range nodes {
		if used[n.ID] < slotsOf(n) {
			free = append(free, n)
		}
	}
	if len(free) == 0 {
		return nodes
	}
	return free
}

// atMost cuts nodes to limit (0: no limit), keeping those that hold most
// unfinished subtasks, then those with most free slots, then by ID.
func atMost(nodes []dxf.Node, limit int, subs []dxf.Subtask, used map[string]int) []dxf.Node {
	held := heldBy(subs)
	nodes = slices.Clone(nodes)
	slices.SortStableFunc(nodes, func(a, b dxf.Node) int {
		return cmp.Or(
			cmp.Compare(held[b.ID], held[a.ID]),
			cmp.Compare(slotsOf(b)-used[b.ID], slotsOf(a)-used[a.ID]),
			cmp.Compare(a.ID, b.ID),
		)
	})
	if limit > 0 && len(nodes) > limit {
		nodes = nodes[:limit]
	}
	return nodes
}

// heldBy counts the unfinished subtasks by node.
func heldBy(subs []dxf.Subtask) map[string]int {
	held := make(map[string]int)
	for _, s := range subs {
		if !s.State.Ended() {
			held[s.ExecID]++
		}
	}
	return held
}

// deal binds new subtasks to nodes in turn. Without nodes they stay unbound,
// and rebalance finds them a place when there is one.
func deal(subs []dxf.Subtask, nodes []dxf.Node) {
	for i := range subs {
		subs[i].ExecID = ""
		if len(nodes) > 0 {
			subs[i].ExecID = nodes[i%len(nodes)].ID
		}
	}
}

// rebalance says which of a task's subtasks should move so that each of nodes
// holds its share: ⌊subtasks/nodes⌋, and the remainder one each on those that
// hold most already. Pending subtasks move, and running ones whose node is not
// among live; what is running elsewhere stays where it is.
func rebalance(subs []dxf.Subtask, nodes, live []dxf.Node) []dxf.Placement {
	if len(nodes) == 0 {
		return nil
	}
	var (
		held    = make(map[string]int, len(nodes))
		pending = make(map[string][]dxf.Subtask, len(nodes)) // those that can go, by node
		moving  []dxf.Subtask
		orphans int // the first so many of moving must go
		total   int
	)
	for _, n := range nodes {
		held[n.ID] = 0
	}
	for _, s := range subs {
		_, here := held[s.ExecID]
		switch {
		case s.State == dxf.SubtaskPending && here:
			pending[s.ExecID] = append(pending[s.ExecID], s)
		case s.State == dxf.SubtaskRunning && here:
		case s.State == dxf.SubtaskPending, s.State == dxf.SubtaskRunning && !holds(live, s.ExecID):
			moving = append(moving, s)
			total++
			continue
		default:
			continue
		}
		held[s.ExecID]++
		total++
	}
	orphans = len(moving)

	order := slices.Clone(nodes)
	slices.SortStableFunc(order, func(a, b dxf.Node) int { return cmp.Compare(held[b.ID], held[a.ID]) })
	share := make(map[string]int, len(nodes))
	for i, n := range order {
		share[n.ID] = total / len(nodes)
		if i < total%len(nodes) {
			share[n.ID]++
		}
	}
	for _, n := range order {
		over := min(held[n.ID]-share[n.ID], len(pending[n.ID]))
		if over <= 0 {
			continue
		}
		// The last ones: the first may be leased at this moment.
		p := pending[n.ID]
		moving = append(moving, p[len(p)-over:]...)
	}

	var moves []dxf.Placement
	for i, s := range moving {
		to := slices.MaxFunc(order, func(a, b dxf.Node) int {
			return cmp.Compare(share[a.ID]-held[a.ID], share[b.ID]-held[b.ID])
		})
		if i >= orphans {
			if held[to.ID] >= share[to.ID] {
				break // running subtasks that cannot move have used up the shares
			}
			held[s.ExecID]--
		}
		held[to.ID]++
		moves = append(moves, dxf.Placement{SubtaskID: s.ID, Epoch: s.Epoch, ExecID: to.ID})
	}
	return moves
}

// goneRunning returns the running subtasks whose node is not among live.
func goneRunning(subs []dxf.Subtask, live []dxf.Node) []dxf.Subtask {
	var gone []dxf.Subtask
	for _, s := range subs {
		if s.State == dxf.SubtaskRunning && !holds(live, s.ExecID) {
			gone = append(gone, s)
		}
	}
	return gone
}

func holds(nodes []dxf.Node, id string) bool {
	return slices.ContainsFunc(nodes, func(n dxf.Node) bool { return n.ID == id })
}
