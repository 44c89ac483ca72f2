package executor

import (
	"context"

	"dxfproxy/server"
)

var keptTurns patience // as a node has them

// TakeTurn waits for one of so many turns on a session; give ends it.
func TakeTurn(ctx context.Context, s *server.Session, of int) (name string, give func(), err error) {
	t := &Turns{names: TurnNames(of, 0), kept: &keptTurns}
	err = t.Take(ctx, s)
	return t.held, func() { t.Give(ctx, s) }, err
}
