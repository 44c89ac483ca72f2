package importinto

import (
	"cmp"
	"encoding/json"
	"slices"

	"dxfproxy/dxf"
	"dxfproxy/source"
)

// Sizes of the subtasks of an import, in bytes as stored.
const (
	fewestSubtasks  = 16        // subtasks, so that nodes end together
	subtasksPerNode = 8         // at least, if there is enough for them
	smallestPart    = 16 << 20  // of a file that is split: below that a part is not worth a request
	largestPart     = 256 << 20 // TiDB's; what a dead node has begun is not lost, but waited for
	smallestGroup   = 4 << 20
	mostInGroup     = 2000     // files in a subtask: its row has all their names
	openCost        = 64 << 10 // bytes that could have been read instead of opening a file
	mostParts       = 4000     // of an import; larger ones get larger parts
)

// splitFiles makes the pieces of each subtask, in the order of the files' names. Files may be
// split if they are plain CSV and the user says that no field has a line end;
// small ones go together.
func splitFiles(files []source.Piece, split bool, nodes int) [][]source.Piece {
	files = slices.DeleteFunc(slices.Clone(files), func(f source.Piece) bool { return f.Size == 0 })
	slices.SortStableFunc(files, func(a, b source.Piece) int { return cmp.Compare(a.Path, b.Path) })
	var total, weight int64
	for _, f := range files {
		total += f.Size
		weight += f.Size + openCost
	}
	subtasks := int64(max(nodes*subtasksPerNode, fewestSubtasks))
	group := max(weight/subtasks, smallestGroup)
	part := max(min(max(total/subtasks, smallestPart), largestPart), total/mostParts)

	var all [][]source.Piece
	var open []source.Piece
	var held int64
	end := func() {
		if len(open) > 0 {
			all = append(all, open)
		}
		open, held = nil, 0
	}
	for _, f := range files {
		if split && !source.Packed(f.Path) && f.Size > part+part/2 {
			end()
			n := (f.Size + part - 1) / part
			for i := range n {
				p := f
				p.Start, p.End = f.Size*i/n, f.Size*(i+1)/n
				all = append(all, []source.Piece{p})
			}
			continue
		}
		w := f.Size + openCost
		if held > 0 && (held+w > group+group/2 || len(open) == mostInGroup) {
			end()
		}
		open, held = append(open, f), held+w
		if held >= group {
			end()
		}
	}
	end()
	return all
}

// planPieces plans the import step: a subtask for each group of pieces.
func planPieces(m Meta, pieces [][]source.Piece) (dxf.Plan, error) {
	p, err := planStep(m, StepImport, len(pieces))
	for i, s := range pieces {
		if err != nil {
			return p, err
		}
		p.Subtasks[i].Meta, err = json.Marshal(PieceMeta{Pieces: s})
	}
	return p, err
}
