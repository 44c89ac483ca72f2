package source

import (
	"context"
)

// Pieces lists the files of a location, in name order, each as one piece. Errors
// are those of Open and List.
func Pieces(ctx context.Context, policy *Policy, location string) ([]Piece, error) {
	src, err := Open(ctx, policy, location)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	found, err := src.List(ctx)
	if err != nil {
		return nil, err
	}
	files := make([]Piece, len(found))
	for i, f := range found {
		files[i] = Piece{Path: f.Path, Size: f.Size, Tag: f.Tag}
	}
	return files, nil
}
