package source

// A Piece is a file or a part of it.
type Piece struct {
	Path string `json:"path"` // as the source lists it
	Size int64  `json:"size"` // of the file, bytes as stored
	// Tag is the object's version when it was listed; "" on disk.
	Tag string `json:"tag,omitempty"`
	// Start and End are byte offsets of a part of an uncompressed file: the
	// rows that begin in [Start, End). End 0: the whole file.
	Start int64 `json:"start,omitempty"`
	End   int64 `json:"end,omitempty"`
}
