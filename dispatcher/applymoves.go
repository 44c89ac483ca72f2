package dispatcher

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"dxfproxy/dxf"
)

// place makes the moves, those of pending subtasks first and in a transaction
// of their own: the row of a running one may be locked for a while yet by the
// transaction of the node that is gone.
func (d *dispatcher) place(ctx context.Context, v view, places []dxf.Placement) (int, error) {
	by := make(map[int64]dxf.Subtask, len(v.subs))
	for _, s := range v.subs {
		by[s.ID] = s
	}
	var waiting, gone []dxf.Placement
	for _, p := range places {
		if by[p.SubtaskID].State == dxf.SubtaskPending {
			waiting = append(waiting, p)
		} else {
			gone = append(gone, p)
		}
	}
	total := 0
	for _, moves := range [][]dxf.Placement{waiting, gone} {
		if len(moves) == 0 {
			continue
		}
		n, err := d.store.Place(ctx, d.term, moves)
		if err != nil {
			return total, fmt.Errorf("place subtasks of task %d: %w", v.task.ID, err)
		}
		total += n
		d.counts.moved.Add(int64(n))
		d.logPlaces(by, moves, n)
	}
	return total, nil
}

func (d *dispatcher) logPlaces(by map[int64]dxf.Subtask, places []dxf.Placement, made int) {
	if made == 0 {
		return
	}
	type way struct {
		from, to string
		was      dxf.SubtaskState
	}
	ways := make(map[way][]int)
	for _, p := range places {
		s := by[p.SubtaskID]
		w := way{s.ExecID, p.ExecID, s.State}
		ways[w] = append(ways[w], s.Ordinal)
	}
	sorted := slices.SortedFunc(maps.Keys(ways), func(a, b way) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	for _, w := range sorted {
		d.log.Info("subtasks placed", zap.String("from", w.from), zap.String("to", w.to),
			zap.String("state", string(w.was)), zap.Ints("ordinals", ways[w]))
	}
	if made < len(places) {
		d.log.Info("subtasks had moved on", zap.Int("skipped", len(places)-made))
	}
}
