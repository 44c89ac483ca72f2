package executor

import (
	"context"

	"dxfproxy/server"
)

var keptTurns kept // as a node has them

// TakeTurn waits for one of so many turns on a session; give ends it.
func TakeTurn(ctx context.Context, s *server.Session, of int) (name string, give func(), err error) {
	t := &turns{names: turnNames(of, 0), kept: &keptTurns}
	err = t.take(ctx, s)
	return t.held, func() { t.give(ctx, s) }, err
}
