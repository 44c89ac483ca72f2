package dispatcher

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// shapes calls f with every combination of zero, one or two subtasks in each
// state, and every number of running ones whose node is gone.
func shapes(f func(c dxf.Counts, gone int)) {
	n := len(dxf.SubtaskStates)
	total := 1
	for range n {
		total *= 3
	}
	for code := range total {
		c := make(dxf.Counts)
		for i, rest := 0, code; i < n; i, rest = i+1, rest/3 {
			if rest%3 > 0 {
				c[dxf.SubtaskStates[i]] = rest % 3
			}
		}
		for gone := 0; gone <= c[dxf.SubtaskRunning]; gone++ {
			f(c, gone)
		}
	}
}

// written is what each verb does to subtasks: from, to.
var written = map[verb][][2]dxf.SubtaskState{
	takeBack:   {{dxf.SubtaskRunning, dxf.SubtaskPending}},
	cancelRest: {{dxf.SubtaskPending, dxf.SubtaskCanceled}, {dxf.SubtaskPaused, dxf.SubtaskCanceled}},
	pauseRest:  {{dxf.SubtaskPending, dxf.SubtaskPaused}},
	unpause:    {{dxf.SubtaskPaused, dxf.SubtaskPending}},
}

func TestNextIsLegalForEveryStateAndShape(t *testing.T) {
	for _, state := range dxf.TaskStates {
		shapes(func(c dxf.Counts, gone int) {
			mv := next(dxf.Task{State: state}, c, gone)
			switch {
			case state.Ended(), state == dxf.TaskPaused:
				require.Equal(t, move{}, mv, "%s %v", state, c)
			case mv.do == stay, mv.do == modify:
				require.Empty(t, mv.to)
			default:
				require.NotEmpty(t, mv.to)
				require.True(t, mv.to == state || state.CanMove(mv.to), "%s %v: %s to %s", state, c, mv.do, mv.to)
			}
			for _, w := range written[mv.do] {
				require.True(t, w[0].CanMove(w[1]), "%s: %s -> %s", mv.do, w[0], w[1])
			}
			// A step follows only when the one before has succeeded whole, and
			// nothing is cleaned away under a subtask that may still write.
			if mv.do == plan && state != dxf.TaskPending {
				require.Equal(t, c.Total(), c[dxf.SubtaskSucceed], "%v", c)
			}
			if mv.do == cleanUp || mv.do == settle {
				require.Zero(t, c[dxf.SubtaskPending]+c[dxf.SubtaskRunning], "%s %v", state, c)
			}
			// Waiting is for something that comes without the owner: a
			// subtask that a node has or can take.
			if mv.do == stay && !state.Ended() && state != dxf.TaskPaused {
				require.Positive(t, c[dxf.SubtaskPending]+c[dxf.SubtaskRunning], "%s %v", state, c)
			}
		})
	}
}

// A situation is a task with at most two subtasks and so many steps to go.
type situation struct {
	state                           dxf.TaskState
	pending, running, gone          int // gone: of running
	succeed, failed, canceled, held int // held: paused
	steps                           int
}

func (s situation) counts() dxf.Counts {
	return dxf.Counts{
		dxf.SubtaskPending: s.pending, dxf.SubtaskRunning: s.running, dxf.SubtaskSucceed: s.succeed,
		dxf.SubtaskFailed: s.failed, dxf.SubtaskCanceled: s.canceled, dxf.SubtaskPaused: s.held,
	}
}

// owner returns what the owner makes of s.
func (s situation) owner() []situation {
	mv := next(dxf.Task{State: s.state}, s.counts(), s.gone)
	n := s
	if mv.to != "" {
		n.state = mv.to
	}
	switch mv.do {
	case stay:
		return nil
	case plan:
		fresh := situation{state: dxf.TaskRunning, steps: s.steps - 1}
		switch {
		case s.steps > 0:
			fresh.pending = 2
			return []situation{fresh, {state: dxf.TaskReverting, succeed: s.succeed}} // or planning fails
		case s.state == dxf.TaskPending:
			return []situation{{state: dxf.TaskRunning}}
		}
		return []situation{{state: dxf.TaskSucceed, succeed: s.succeed}}
	case cleanUp:
		won := n
		won.state = dxf.TaskSucceed
		return []situation{n, won}
	case takeBack:
		n.pending, n.running, n.gone = s.pending+s.gone, s.running-s.gone, 0
	case cancelRest:
		n.canceled, n.pending, n.held = s.canceled+s.pending+s.held, 0, 0
	case pauseRest:
		n.held, n.pending = s.held+s.pending, 0
	case unpause:
		n.pending, n.held = s.pending+s.held, 0
	case modify:
		a, b, c := n, n, n
		a.state, b.state, c.state = dxf.TaskPending, dxf.TaskRunning, dxf.TaskPaused
		if s.pending+s.running+s.succeed > 0 {
			return []situation{b, c}
		}
		return []situation{a, b, c}
	}
	return []situation{n}
}

// nodes returns what nodes may make of s. A lease may be taken on what was
// read before the task changed, so in every state.
func (s situation) nodes() (to []situation) {
	add := func(f func(n *situation)) {
		n := s
		f(&n)
		to = append(to, n)
	}
	if s.pending > 0 {
		add(func(n *situation) { n.pending--; n.running++ })
	}
	if s.running > s.gone {
		add(func(n *situation) { n.running--; n.succeed++ })
		add(func(n *situation) { n.running--; n.failed++ })
		add(func(n *situation) { n.running--; n.pending++ })
		add(func(n *situation) { n.gone++ })
		switch s.state {
		case dxf.TaskReverting, dxf.TaskCancelling:
			add(func(n *situation) { n.running--; n.canceled++ })
		case dxf.TaskPausing:
			add(func(n *situation) { n.running--; n.held++ })
		}
	}
	if s.gone > 0 && s.state == dxf.TaskRunning { // rebalance
		add(func(n *situation) { n.running--; n.gone--; n.pending++ })
	}
	return to
}

// user returns what a user may make of s.
func (s situation) user() (to []situation) {
	for _, state := range []dxf.TaskState{dxf.TaskCancelling, dxf.TaskPausing, dxf.TaskModifying, dxf.TaskResuming} {
		if s.state.CanMove(state) {
			n := s
			n.state = state
			to = append(to, n)
		}
	}
	return to
}

// Whatever nodes and users do and in whatever order, a task can still come to
// its end without any user's help but resume, and never by a way that leads in
// circles only.
func TestEverySituationReachesAnEnd(t *testing.T) {
	start := situation{state: dxf.TaskPending, steps: 2}
	seen := map[situation]bool{start: true}
	back := make(map[situation][]situation) // who leads here without the user
	queue := []situation{start}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		free := append(s.owner(), s.nodes()...)
		if s.state == dxf.TaskPaused {
			n := s
			n.state = dxf.TaskResuming
			free = append(free, n)
		}
		for _, n := range free {
			back[n] = append(back[n], s)
		}
		for _, n := range append(free, s.user()...) {
			require.True(t, n.state == s.state || s.state.CanMove(n.state), "%+v -> %+v", s, n)
			if !seen[n] {
				seen[n] = true
				queue = append(queue, n)
			}
		}
	}
	ends := make(map[situation]bool)
	for s := range seen {
		if s.state.Ended() {
			ends[s] = true
			queue = append(queue, s)
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, b := range back[s] {
			if !ends[b] {
				ends[b] = true
				queue = append(queue, b)
			}
		}
	}
	for s := range seen {
		require.True(t, ends[s], "stuck: %+v", s)
	}
	t.Logf("%d situations", len(seen))
}
