package dispatcher

import (
	"encoding/json"
	"fmt"

	"dxfproxy/dxf"
)

// modified returns the Advance that applies t.ModifyParams: the task goes back
// to the state it was in, with new concurrency (cut to slots, those of the
// largest node) and meta. Kinds we do not know are an error.
func modified(kind dxf.Type, t dxf.Task, slots int) (dxf.Advance, error) {
	back := dxf.Advance{State: dxf.TaskRunning, Step: t.Step}
	var p dxf.Modify
	if err := json.Unmarshal(t.ModifyParams, &p); err != nil {
		return back, fmt.Errorf("read modify_params of task %d: %w", t.ID, err)
	}
	if t.State.CanMove(p.PrevState) && p.PrevState != dxf.TaskCancelling {
		back.State = p.PrevState
	}
	a := back
	a.Task = t
	for _, c := range p.Modifications {
		switch c.Type {
		case dxf.ModifyConcurrency:
			a.Concurrency = max(int(c.To), 1)
			if slots > 0 {
				a.Concurrency = min(a.Concurrency, slots)
			}
		case dxf.ModifyBatchSize, dxf.ModifyMaxWriteSpeed:
		default:
			return back, fmt.Errorf("modify task %d: unknown modification %q", t.ID, c.Type)
		}
		if kind.Modify == nil {
			continue
		}
		meta, err := kind.Modify(a.NewMeta(), c)
		if err != nil {
			return back, fmt.Errorf("modify the meta of task %d: %w", t.ID, err)
		}
		a.Meta = meta
	}
	return a, nil
}
