package importinto

import (
	"bytes"
	"compress/gzip"
	"dxfproxy/dxf"
	"dxfproxy/source"
	"encoding/json"
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
