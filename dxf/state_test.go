package dxf_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// legalTaskMoves is the diagram of TaskStates once more, drawn independently
// as a matrix: rows are where a task is, columns where it may go.
//
//	p pending   r running    S succeed    F failed     v reverting   V reverted
//	c cancelling  z pausing  Z paused     u resuming   m modifying
const legalTaskMoves = `
	  p r S F v V c z Z u m
	p . x . x x . x x . . x
	r . . x . x . x x . . x
	S . . . . . . . . . . .
	F . . . . . . . . . . .
	v . . x . . x . . . . .
	V . . . . . . . . . . .
	c . . . . x . . . . . .
	z . . . . x . x . x . .
	Z . . . . . . x . . x x
	u . x . . . . x . . . .
	m x x . . . . x . x . .
`

const legalSubtaskMoves = `
	  p r s f c z
	p . x . . x x
	r x . x x x x
	s . . . . . .
	f . . . . . .
	c . . . . . .
	z x . . . x .
`

func TestTaskMovesOverEveryPair(t *testing.T) {
	legal := parseMatrix(t, legalTaskMoves, len(dxf.TaskStates))
	for i, from := range dxf.TaskStates {
		for j, to := range dxf.TaskStates {
			require.Equal(t, legal[i][j], from.CanMove(to), "%s -> %s", from, to)
		}
	}
}

func TestSubtaskMovesOverEveryPair(t *testing.T) {
	legal := parseMatrix(t, legalSubtaskMoves, len(dxf.SubtaskStates))
	for i, from := range dxf.SubtaskStates {
		for j, to := range dxf.SubtaskStates {
			require.Equal(t, legal[i][j], from.CanMove(to), "%s -> %s", from, to)
		}
	}
}

func TestEndStatesHaveNoWayOut(t *testing.T) {
	for _, s := range dxf.TaskStates {
		out := 0
		for _, to := range dxf.TaskStates {
			if s.CanMove(to) {
				out++
			}
		}
		require.Equal(t, s.Ended(), out == 0, "%s", s)
	}
	for _, s := range dxf.SubtaskStates {
		out := 0
		for _, to := range dxf.SubtaskStates {
			if s.CanMove(to) {
				out++
			}
		}
		require.Equal(t, s.Ended(), out == 0, "%s", s)
	}
}

// Whatever happens to a task, it can still end.
func TestEveryTaskStateReachesAnEnd(t *testing.T) {
	for _, start := range dxf.TaskStates {
		seen := map[dxf.TaskState]bool{start: true}
		queue, ended := []dxf.TaskState{start}, false
		for len(queue) > 0 {
			s := queue[0]
			queue = queue[1:]
			ended = ended || s.Ended()
			for _, to := range dxf.TaskStates {
				if s.CanMove(to) && !seen[to] {
					seen[to] = true
					queue = append(queue, to)
				}
			}
		}
		require.True(t, ended, "%s", start)
	}
}

func parseMatrix(t *testing.T, text string, n int) [][]bool {
	t.Helper()
	var rows [][]bool
	for _, line := range splitLines(text)[1:] {
		var row []bool
		for _, mark := range line[1:] {
			require.Contains(t, []string{".", "x"}, mark)
			row = append(row, mark == "x")
		}
		require.Len(t, row, n)
		rows = append(rows, row)
	}
	require.Len(t, rows, n)
	return rows
}

// splitLines returns the fields of every line that has any.
func splitLines(text string) [][]string {
	var lines [][]string
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 0 {
			lines = append(lines, f)
		}
	}
	return lines
}
