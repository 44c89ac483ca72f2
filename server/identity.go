package server

import (
	"context"
	"fmt"
)

// Identity tells a server from those that may take its place behind the same
// address: its replicas, after a failover.
type Identity struct {
	ID   uint32 // server_id, which its binlog's events name
	UUID string // MySQL's server_uuid; MariaDB has none
}

// String is "server_uuid 3e11…" or "server_id 7". Two servers of which one replicates
// the other have different ones: neither lets itself be fed by its like.
func (s Identity) String() string {
	if s.UUID != "" {
		return "server_uuid " + s.UUID
	}
	return fmt.Sprintf("server_id %d", s.ID)
}

const (
	selectServer      = `SELECT @@GLOBAL.server_id, ''`
	selectServerMySQL = `SELECT @@GLOBAL.server_id, @@GLOBAL.server_uuid`
)

// Identify asks who answers.
func Identify(ctx context.Context, q Querier) (Identity, error) {
	var s Identity
	family, err := FamilyOf(ctx, q)
	if err != nil {
		return s, err
	}
	query := selectServer
	if family == MySQL {
		query = selectServerMySQL
	}
	if err := q.QueryRowContext(ctx, query).Scan(&s.ID, &s.UUID); err != nil {
		return s, fmt.Errorf("ask the server who it is: %w", err)
	}
	return s, nil
}
