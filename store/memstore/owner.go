package memstore

import (
	"context"
	"time"

	"dxfproxy/dxf"
)

// Campaign takes the owner lease when it is free or has run out.
func (s *Store) Campaign(ctx context.Context, n dxf.Node) (dxf.Term, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return dxf.Term{}, err
	}
	if s.owner.expires.After(now) {
		return dxf.Term{}, dxf.ErrNotOwner
	}
	s.term++
	s.owner = lease{n, now.Add(dxf.OwnerLease)}
	return dxf.Term{OwnerID: n.ID, UUID: n.UUID, Number: s.term}, nil
}

// Renew lengthens the term.
func (s *Store) Renew(ctx context.Context, t dxf.Term) error {
	now, err := s.beginAs(ctx, t)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	s.owner.expires = now.Add(dxf.OwnerLease)
	return nil
}

// Resign ends the term.
func (s *Store) Resign(ctx context.Context, t dxf.Term) error {
	_, err := s.beginAs(ctx, t)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	s.owner = lease{}
	return nil
}

// Owner returns the present owner, or the zero Term.
func (s *Store) Owner(ctx context.Context) (dxf.Term, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil || !s.owner.expires.After(now) {
		return dxf.Term{}, err
	}
	return dxf.Term{OwnerID: s.owner.node.ID, UUID: s.owner.node.UUID, Number: s.term}, nil
}

// ExpireOwner lets the owner's lease run out now.
func (s *Store) ExpireOwner() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner.expires = s.past(s.owner.expires)
}

// past turns a deadline into one that is over.
func (s *Store) past(deadline time.Time) time.Time {
	if deadline.IsZero() {
		return deadline
	}
	return s.Now().UTC().Round(0).Add(-time.Second)
}
