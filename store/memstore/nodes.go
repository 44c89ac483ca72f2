package memstore

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"dxfproxy/dxf"
)

// Register writes the node's row anew.
func (s *Store) Register(ctx context.Context, n dxf.Node) error {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	s.nodes[n.ID] = &node{n, now.Add(dxf.NodeLease)}
	return nil
}

// Heartbeat renews the node's row and the leases of the subtasks it is running.
func (s *Store) Heartbeat(ctx context.Context, nodeID string) error {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	n := s.nodes[nodeID]
	if n == nil {
		return dxf.ErrNotFound
	}
	n.expires = now.Add(dxf.NodeLease)
	for _, sub := range s.subtasks {
		if sub.ExecID == nodeID && sub.State == dxf.SubtaskRunning {
			sub.Expires = now.Add(dxf.SubtaskLease)
		}
	}
	return nil
}

// Unregister removes the node's row.
func (s *Store) Unregister(ctx context.Context, nodeID string) error {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	delete(s.nodes, nodeID)
	return nil
}

// Nodes lists the live nodes, by ID.
func (s *Store) Nodes(ctx context.Context) ([]dxf.Node, error) {
	now, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var live []dxf.Node
	for _, n := range s.nodes {
		if n.expires.After(now) {
			live = append(live, n.Node)
		}
	}
	slices.SortFunc(live, func(a, b dxf.Node) int { return cmp.Compare(a.ID, b.ID) })
	return live, nil
}

// ExpireNodes deletes the registrations that ran out and returns their IDs.
func (s *Store) ExpireNodes(ctx context.Context, t dxf.Term) ([]string, error) {
	now, err := s.beginAs(ctx, t)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, id := range slices.Sorted(maps.Keys(s.nodes)) {
		if !s.nodes[id].expires.After(now) {
			gone = append(gone, id)
			delete(s.nodes, id)
		}
	}
	return gone, nil
}

// SetRole writes a node's service scope.
func (s *Store) SetRole(ctx context.Context, nodeID, role string) error {
	_, err := s.begin(ctx)
	defer s.mu.Unlock()
	if err != nil {
		return err
	}
	n := s.nodes[nodeID]
	if n == nil {
		return dxf.ErrNotFound
	}
	n.Role = role
	return nil
}

// ExpireNode lets a node's registration run out now.
func (s *Store) ExpireNode(nodeID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.nodes[nodeID]; n != nil {
		n.expires = s.past(n.expires)
	}
}

// GlobalVars returns none: all have their defaults.
func (s *Store) GlobalVars(context.Context) (map[string]string, error) { return nil, nil }
