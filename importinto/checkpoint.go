package importinto

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/source"
)

// Probe is the checkpoint of a probe subtask: what files a node sees.
type Probe struct {
	Node  string `json:"node"`
	Files []byte `json:"files,omitempty"` // see PackPieces
	// Sum is a hash of all paths and sizes: equal lists have equal sums.
	Sum   string     `json:"sum,omitempty"`
	Error *dxf.Error `json:"error,omitempty"` // why it sees none
}

// Loaded is what the checkpoint of an import's piece says of its rows. It is saved in
// the transaction that loads them: where it stands, there they are.
type Loaded struct {
	Rows int64 `json:"rows,omitempty"`
	All  bool  `json:"all,omitempty"` // nothing is left to load
}

// published is the checkpoint of the publish subtask.
type published struct {
	Published bool `json:"published"` // the rows are in the table
}

// PackPieces makes a list of files small enough to be a column of a row: 100,000
// paths that are much alike take less than a megabyte.
func PackPieces(files []source.Piece) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(files); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// unpackPieces is the inverse of PackPieces.
func unpackPieces(packed []byte) ([]source.Piece, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	var files []source.Piece
	return files, json.NewDecoder(z).Decode(&files)
}

// point is the checkpoint of an import subtask: the first so many pieces are
// loaded, and the next up to where At says.
type point struct {
	Piece int          `json:"piece,omitempty"`
	At    decode.Start `json:"at"`
	Loaded
}

// resume reads the checkpoint.
func (r *run) resume() (p point, err error) {
	err = r.Subtask.Resume(&p)
	return p, err
}

// saveAlone writes a checkpoint that goes with no rows.
func (r *run) saveAlone(ctx context.Context, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	tx, err := r.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if err := r.Leases.SaveCheckpoint(ctx, tx, r.Subtask.Lease(), text, r.Summary); err != nil {
		return err
	}
	return tx.Commit()
}
