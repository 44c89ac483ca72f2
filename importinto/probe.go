package importinto

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"dxfproxy/dxf"
	"dxfproxy/source"
)

// probe tells which of the files this node sees on its disk. That it sees none is
// an answer too.
func (r *run) probe(ctx context.Context) error {
	p := Probe{Node: r.worker.node}
	location, err := Location(r.worker.Key, r.meta)
	if err != nil {
		return err
	}
	files, err := source.Pieces(ctx, r.worker.Sources, location)
	var own *dxf.Error
	switch {
	case errors.As(err, &own) && !source.Retryable(err):
		p.Error = own
	case err != nil:
		return err
	default:
		h, total := sha256.New(), int64(0)
		for _, f := range files {
			fmt.Fprintf(h, "%d %s\x00", f.Size, f.Path)
			total += f.Size
		}
		if total == 0 {
			break
		}
		p.Sum = hex.EncodeToString(h.Sum(nil)[:16])
		if p.Files, err = PackPieces(files); err != nil {
			return err
		}
	}
	return r.saveAlone(ctx, p)
}
