package dispatcher

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dxfproxy/dxf"
)

func nodesOf(ids ...string) (nodes []dxf.Node) {
	for _, id := range ids {
		nodes = append(nodes, dxf.Node{ID: id, CPUCount: 2})
	}
	return nodes
}

func ids(nodes []dxf.Node) (ids []string) {
	for _, n := range nodes {
		ids = append(ids, n.ID)
	}
	return ids
}

func TestInScope(t *testing.T) {
	plain := dxf.Node{ID: "plain"}
	back := dxf.Node{ID: "back", Role: "background"}
	gold := dxf.Node{ID: "gold", Role: "gold"}
	for _, c := range []struct {
		nodes []dxf.Node
		scope string
		want  []string
	}{
		{[]dxf.Node{plain, gold}, "", []string{"plain"}},
		{[]dxf.Node{plain, back, gold}, "", []string{"back"}},
		{[]dxf.Node{plain, back, gold}, "gold", []string{"gold"}},
		{[]dxf.Node{plain, back, gold}, "background", []string{"back"}},
		{[]dxf.Node{plain, gold}, "background", nil}, // no fall-back
		{[]dxf.Node{plain, back}, "gold", nil},
		{[]dxf.Node{gold}, "", nil},
		{nil, "", nil},
	} {
		require.Equal(t, c.want, ids(inScope(c.nodes, c.scope)), "%v in %q", c.nodes, c.scope)
	}
}

func TestRoomyAndAtMost(t *testing.T) {
	nodes := nodesOf("a", "b", "c")
	require.Equal(t, []string{"a", "c"}, ids(roomy(nodes, map[string]int{"b": 2, "c": 1})))
	require.Equal(t, []string{"a", "b", "c"}, ids(roomy(nodes, map[string]int{"a": 2, "b": 2, "c": 3})))

	subs := []dxf.Subtask{
		{ExecID: "b", State: dxf.SubtaskRunning},
		{ExecID: "c", State: dxf.SubtaskSucceed},
		{ExecID: "c", State: dxf.SubtaskSucceed},
	}
	require.Equal(t, []string{"b", "a"}, ids(atMost(nodes, 2, subs, nil)))
	require.Equal(t, []string{"b", "c", "a"}, ids(atMost(nodes, 0, subs, map[string]int{"a": 1})))
	require.Equal(t, []string{"a", "b", "c"}, ids(nodes), "the argument is not touched")
}

func TestDeal(t *testing.T) {
	subs := make([]dxf.Subtask, 5)
	deal(subs, nodesOf("a", "b"))
	require.Equal(t, map[string]int{"a": 3, "b": 2}, heldBy(subs))
	deal(subs, nil)
	require.Equal(t, map[string]int{"": 5}, heldBy(subs))
}

// Whatever the nodes hold: after rebalancing every node holds its share as far
// as running subtasks allow, nothing is left on a node that is gone, nothing
// that is running moves from a live node, and a second time moves nothing.
func TestRebalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var live, nodes []dxf.Node
		for i := range rapid.IntRange(1, 5).Draw(t, "live") {
			live = append(live, dxf.Node{ID: fmt.Sprintf("n%d", i), CPUCount: 4})
		}
		nodes = live[:rapid.IntRange(1, len(live)).Draw(t, "eligible")]
		where := []string{"", "gone1", "gone2"}
		for _, n := range live {
			where = append(where, n.ID, n.ID)
		}
		var subs []dxf.Subtask
		for i := range rapid.IntRange(0, 30).Draw(t, "subtasks") {
			subs = append(subs, dxf.Subtask{
				ID: int64(i + 1), Epoch: int64(i),
				State:  rapid.SampledFrom([]dxf.SubtaskState{"pending", "pending", "running", "succeed"}).Draw(t, "state"),
				ExecID: rapid.SampledFrom(where).Draw(t, "node"),
			})
		}
		moved := make(map[int64]bool)
		for _, p := range rebalance(subs, nodes, live) {
			s := &subs[p.SubtaskID-1]
			if moved[s.ID] {
				t.Fatalf("subtask %d moves twice", s.ID)
			}
			moved[s.ID] = true
			if p.Epoch != s.Epoch || p.ExecID == s.ExecID || !holds(nodes, p.ExecID) {
				t.Fatalf("bad move %+v of %+v", p, *s)
			}
			if s.State != dxf.SubtaskPending && (s.State != dxf.SubtaskRunning || holds(live, s.ExecID)) {
				t.Fatalf("moved %+v", *s)
			}
			s.State, s.ExecID = dxf.SubtaskPending, p.ExecID
		}
		held, running, total := map[string]int{}, map[string]int{}, 0
		for _, s := range subs {
			if s.State.Ended() {
				continue
			}
			if !holds(live, s.ExecID) || s.State == dxf.SubtaskPending && !holds(nodes, s.ExecID) {
				t.Fatalf("left behind: %+v", s)
			}
			if holds(nodes, s.ExecID) {
				total++
				held[s.ExecID]++
				if s.State == dxf.SubtaskRunning {
					running[s.ExecID]++
				}
			}
		}
		fixed := false // some node runs more than its share
		for _, n := range nodes {
			fixed = fixed || running[n.ID] > total/len(nodes)
		}
		for _, n := range nodes {
			most, least := (total+len(nodes)-1)/len(nodes), total/len(nodes)
			if held[n.ID] > max(most, running[n.ID]) || !fixed && held[n.ID] < least {
				t.Fatalf("%s holds %d of %d on %d nodes", n.ID, held[n.ID], total, len(nodes))
			}
		}
		if again := rebalance(subs, nodes, live); len(again) > 0 {
			t.Fatalf("moves again: %+v", again)
		}
	})
}
