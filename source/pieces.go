package source

import (
	"context"

	"dxfproxy/dxf"
)

// Pieces lists the files of a location, in name order, each as one piece. Errors
// are those of Open and List.
func Pieces(ctx context.Context, policy *Policy, location string) ([]dxf.Piece, error) {
	src, err := Open(ctx, policy, location)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	found, err := src.List(ctx)
	if err != nil {
		return nil, err
	}
	files := make([]dxf.Piece, len(found))
	for i, f := range found {
		files[i] = dxf.Piece{Path: f.Path, Size: f.Size, Tag: f.Tag}
	}
	return files, nil
}
