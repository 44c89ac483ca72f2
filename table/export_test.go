package table

import (
	"context"

	"dxfproxy/server"
)

// Dive cuts a table by estimates, however small it is.
func (t *Info) Dive(ctx context.Context, q server.Querier, rows int64, most int) ([]Range, error) {
	return t.dive(ctx, q, rows, most)
}
