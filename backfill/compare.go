package backfill

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/table"
)

// Limits of comparing beside a build. The build's last word needs the shadow
// for itself, and whoever reads it then makes it wait.
const (
	aheadTarget = 200 * time.Millisecond
	aheadCap    = 50_000
	aheadStart  = 20_000
	// aheadPatience is how long a compare waits for the feed to stand still.
	aheadPatience = 2 * time.Second
	// aheadRanges is how many ranges one subtask leaves to the verify step;
	// beyond, what lies between them is left too.
	aheadRanges = 8
)

// buildStep is the build, or a comparison beside it.
func (r *run) buildStep(ctx context.Context) error {
	var m rangeMeta
	if err := json.Unmarshal(r.Subtask.Meta, &m); err != nil {
		return dxf.Errorf("read the meta of subtask %d: %s", r.Subtask.ID, err)
	}
	if m.Range == nil {
		return r.build(ctx)
	}
	return r.compare(ctx)
}

// compare is a first verification of the subtask's range, made while the build
// leaves most nodes and processors idle. What is not equal is left to the verify
// step: as long as the changefeed stands still that is nobody's fault.
//
// A chunk that is equal now is right for good. Changes that the shadow does not
// have yet carry whole rows, and come in strict mode: each must find exactly the
// rows that were there before it.
func (r *run) compare(ctx context.Context) error {
	behind, err := r.merging(ctx)
	if err != nil {
		return err
	}
	if behind {
		return r.leaveAll(ctx)
	}
	return r.verifyRange(ctx, true, executor.ChunkSizer{Target: aheadTarget, Cap: aheadCap, Rows: aheadStart})
}

// merging waits until the feed stands still after the copy, and says whether it
// is still not there. It does not wait for long: what brings the feed to a stand
// is the build, and that may be waiting for this very slot.
func (r *run) merging(ctx context.Context) (bool, error) {
	start := time.Now()
	for pause := time.Millisecond; ; pause = longer(pause) {
		f, err := r.feed(ctx)
		if err != nil || f.Mode != dxf.FeedMerge {
			return false, err
		}
		if time.Since(start) > aheadPatience {
			return true, nil
		}
		if err := dxf.Sleep(ctx, pause); err != nil {
			return false, err
		}
	}
}

// leaveAll leaves what is not compared yet to the verify step.
func (r *run) leaveAll(ctx context.Context) error {
	span, at, err := r.remaining()
	if err != nil || at.All {
		return err
	}
	text, err := json.Marshal(span)
	if err != nil {
		return err
	}
	at.Differ, at.All = append(at.Differ, text), true
	tx, err := r.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if err := r.save(ctx, tx, at); err != nil {
		return fmt.Errorf("save a checkpoint: %w", err)
	}
	return tx.Commit()
}

// leave notes a range that differs.
func (v *verifier) leave(r table.Range) error {
	if n := len(v.at.Differ) - 1; n >= 0 {
		var last table.Range
		if err := json.Unmarshal(v.at.Differ[n], &last); err != nil {
			return fmt.Errorf("read a range: %w", err)
		}
		if n+1 == aheadRanges || slices.Equal(last.Upper, r.Lower) {
			v.at.Differ, r = v.at.Differ[:n:n], last.To(r.Upper)
		}
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	v.at.Differ = append(v.at.Differ, text)
	return nil
}
