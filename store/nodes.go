package store

import (
	"context"
	"math"
	"time"

	"github.com/jmoiron/sqlx"

	"dxfproxy/dxf"
)

// seconds rounds a lease up to whole seconds.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// Register writes the node's row, fresh.
func (db *DB) Register(ctx context.Context, n dxf.Node) error { return register(ctx, db.meta, n) }

func register(ctx context.Context, x execer, n dxf.Node) error {
	const registerSQL = `
		INSERT INTO dist_framework_meta (host, role, cpu_count, uuid, expires)
		VALUES (?, ?, ?, ?, NOW(6) + INTERVAL ? SECOND)
		ON DUPLICATE KEY UPDATE role = VALUES(role), cpu_count = VALUES(cpu_count), uuid = VALUES(uuid), expires = VALUES(expires)`
	_, err := change(ctx, x, registerSQL, n.ID, n.Role, n.CPUCount, n.UUID, seconds(dxf.NodeLease))
	return err
}

// Heartbeat renews the node's row and the leases of the subtasks it is running.
// Subtasks whose row is locked are passed over: their executor is in the middle
// of a transaction that renews the lease itself (SaveCheckpoint), and a
// heartbeat that waited for it would make the node look dead.
func (db *DB) Heartbeat(ctx context.Context, nodeID string) error {
	const nodeSQL = `UPDATE dist_framework_meta SET expires = NOW(6) + INTERVAL ? SECOND WHERE host = ?`
	const runningSQL = `SELECT id FROM tidb_background_subtask WHERE exec_id = ? AND state = 'running' ORDER BY id`
	const lockSQL = `
		SELECT id FROM tidb_background_subtask WHERE id IN (?) AND exec_id = ? AND state = 'running'
		ORDER BY id FOR UPDATE SKIP LOCKED`
	const renewSQL = `UPDATE tidb_background_subtask SET exec_expired = NOW() + INTERVAL ? SECOND WHERE id IN (?)`
	db.life.keep(ctx)
	return db.tx(ctx, func(tx *sqlx.Tx) error {
		if err := must(ctx, tx, dxf.ErrNotFound, nodeSQL, seconds(dxf.NodeLease), nodeID); err != nil {
			return err
		}
		var ids []int64
		if err := tx.SelectContext(ctx, &ids, runningSQL, nodeID); err != nil || len(ids) == 0 {
			return err
		}
		q, args, err := sqlx.In(lockSQL, ids, nodeID)
		if err != nil {
			return err
		}
		ids = nil
		if err := tx.SelectContext(ctx, &ids, q, args...); err != nil || len(ids) == 0 {
			return err
		}
		q, args, err = sqlx.In(renewSQL, subtaskSeconds, ids)
		if err != nil {
			return err
		}
		_, err = change(ctx, tx, q, args...)
		return err
	})
}

// Unregister removes the node's row.
func (db *DB) Unregister(ctx context.Context, nodeID string) error {
	const deleteSQL = `DELETE FROM dist_framework_meta WHERE host = ?`
	_, err := change(ctx, db.meta, deleteSQL, nodeID)
	return err
}

// Nodes lists the live nodes, by ID.
func (db *DB) Nodes(ctx context.Context) ([]dxf.Node, error) {
	const nodesSQL = `
		SELECT host, COALESCE(role, ''), COALESCE(cpu_count, 0), uuid
		FROM dist_framework_meta WHERE expires > NOW(6) ORDER BY host`
	rows, err := db.meta.QueryContext(ctx, nodesSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var nodes []dxf.Node
	for rows.Next() {
		var n dxf.Node
		if err := rows.Scan(&n.ID, &n.Role, &n.CPUCount, &n.UUID); err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, rows.Err()
}

// ExpireNodes deletes the registrations that ran out and returns their IDs.
func (db *DB) ExpireNodes(ctx context.Context, t dxf.Term) ([]string, error) {
	const expiredSQL = `SELECT host FROM dist_framework_meta WHERE expires IS NULL OR expires <= NOW(6) ORDER BY host`
	const deleteSQL = `DELETE FROM dist_framework_meta WHERE host = ? AND (expires IS NULL OR expires <= NOW(6))`
	var gone []string
	err := db.tx(ctx, func(tx *sqlx.Tx) error {
		gone = nil
		if err := fenceOwner(ctx, tx, t); err != nil {
			return err
		}
		var hosts []string
		if err := tx.SelectContext(ctx, &hosts, expiredSQL); err != nil {
			return err
		}
		for _, h := range hosts {
			n, err := change(ctx, tx, deleteSQL, h)
			if err != nil {
				return err
			}
			if n > 0 {
				gone = append(gone, h)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// SetRole writes a node's service scope.
func (db *DB) SetRole(ctx context.Context, nodeID, role string) error {
	const roleSQL = `UPDATE dist_framework_meta SET role = ? WHERE host = ?`
	return must(ctx, db.meta, dxf.ErrNotFound, roleSQL, role, nodeID)
}
