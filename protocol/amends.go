package protocol

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// amends is the own login by which a Server makes the store forget interrupted
// handshakes: to the servers only those in a row count.
type amends struct {
	owed    atomic.Uint64
	running atomic.Bool
	refused atomic.Uint64 // logins since the last that was granted
	rest    atomic.Int64  // until when, in nanoseconds, none is tried: one has failed
}

// amendsRest is how long there are no amends after some that failed: the log
// would be full of them, and each might count itself.
const amendsRest = 10 * time.Second

// amendsAfter is how many refused logins in a row are made up for, without
// knowing that they count: some plugins call an answer of the wrong length a
// wrong password, and count it all the same. Far less than 100, the servers'
// limit.
const amendsAfter = 20

// loginRefused is called with what the store has said to a login.
func (s *Server) loginRefused(c *Conn, e *Error) {
	switch e.Code {
	case errHandshake:
		s.interrupted()
	case errTooManyConnections: // MariaDB greets one client too many, in case that may come in all the same
		s.squeeze(c)
	default:
		if s.amends.refused.Add(1)%amendsAfter == 0 {
			s.interrupted()
		}
	}
	s.incidents.refused(s.log(), c, e)
}

// interrupted is called when a client may have made the store count an
// interrupted handshake of this node's after all.
func (s *Server) interrupted() {
	if !s.logsIn() || time.Now().UnixNano() < s.amends.rest.Load() {
		return
	}
	s.amends.owed.Add(1)
	if s.amends.running.CompareAndSwap(false, true) {
		s.retiring.Go(func() {
			defer s.amends.running.Store(false)
			for n := uint64(0); n != s.amends.owed.Load(); {
				n = s.amends.owed.Load()
				if err := s.logInOnce(); err != nil {
					s.amends.rest.Store(time.Now().Add(amendsRest).UnixNano())
					s.log().Warn("the node could not log in to make up for interrupted logins of clients", zap.Error(err))
					return
				}
			}
		})
	}
}

// logInOnce logs in to the store as the node itself.
func (s *Server) logInOnce() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.dialTimeout())
	defer cancel()
	store, err := s.Dial(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	return s.LogIn(ctx, store)
}
