package importinto

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/source"
)

// probed chooses the nodes whose disks have the same files as that of the client's
// node, or, if that one sees none or is gone, the largest group that agrees.
func (p *Planner) probed(ctx context.Context, t dxf.Task, m *Meta) ([]source.Piece, error) {
	subs, err := p.store.Subtasks(ctx, t.ID, StepProbe)
	if err != nil {
		return nil, fmt.Errorf("read what the nodes see: %w", err)
	}
	groups, best, own, why := map[string][]string{}, Probe{}, false, errNoFile()
	for _, s := range subs {
		var seen Probe
		if err := s.ReadCheckpoint(&seen); err != nil {
			return nil, err
		}
		if seen.Sum == "" {
			if seen.Error != nil && (why.Code == errNoFile().Code || seen.Node == m.Node) {
				why = seen.Error
			}
			continue
		}
		if !slices.Contains(groups[seen.Sum], seen.Node) {
			groups[seen.Sum] = append(groups[seen.Sum], seen.Node)
		}
		switch {
		case seen.Node == m.Node:
			best, own = seen, true
		case best.Sum == "" || !own && len(groups[seen.Sum]) > len(groups[best.Sum]):
			best = seen
		}
	}
	if best.Sum == "" {
		return nil, why
	}
	m.Seen = groups[best.Sum]
	slices.Sort(m.Seen)
	if len(m.Seen) < len(subs) {
		m.Note = dxf.Note("only " + strings.Join(m.Seen, ", ") + " see the files")
		p.Log.Warn("not all nodes see the same files", zap.Int64("import", m.JobID), zap.Strings("nodes", m.Seen))
	}
	files, err := unpackPieces(best.Files)
	if err != nil {
		return nil, dxf.Errorf("read the list of files of node %s: %s", best.Node, err)
	}
	return files, nil
}

// errNoFile is TiDB's.
func errNoFile() *dxf.Error {
	return &dxf.Error{
		Code: 8173, State: "HY000", Class: "executor",
		Message: "PreCheck failed: No file matched, or the file is empty. Please provide a valid file location.",
	}
}
