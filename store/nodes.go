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

// Register writes the node's row anew; ErrNameTaken when it is another's, who lives: one that
// was started under the name while this one stood still.
func (db *DB) Register(ctx context.Context, n dxf.Node) error {
	const otherSQL = `SELECT COUNT(*) FROM dist_framework_meta WHERE host = ? AND uuid <> ? AND expires > NOW(6) FOR UPDATE`
	return db.tx(ctx, func(tx *sqlx.Tx) error {
		var others int
		if err := tx.GetContext(ctx, &others, otherSQL, n.ID, n.UUID); err != nil {
			return err
		}
		if _, again := db.uuids.Load(n.ID); again && others > 0 {
			return ErrNameTaken
		}
		return db.register(ctx, tx, n)
	})
}

func (db *DB) register(ctx context.Context, x execer, n dxf.Node) error {
	const registerSQL = `
		INSERT INTO dist_framework_meta (host, role, cpu_count, uuid, expires)
		VALUES (?, ?, ?, ?, NOW(6) + INTERVAL ? SECOND)
		ON DUPLICATE KEY UPDATE role = VALUES(role), cpu_count = VALUES(cpu_count), uuid = VALUES(uuid), expires = VALUES(expires)`
	_, err := change(ctx, x, registerSQL, n.ID, n.Role, n.CPUCount, n.UUID, seconds(dxf.NodeLease))
	if err == nil {
		db.uuids.Store(n.ID, n.UUID)
	}
	return err
}

// Heartbeat renews the node's row and the leases of the subtasks it is running.
// Subtasks whose row is locked are passed over: their worker is in the middle
// of a transaction that renews the lease itself (SaveCheckpoint), and a
// heartbeat that waited for it would make the node look dead.
func (db *DB) Heartbeat(ctx context.Context, nodeID string) error {
	const nodeSQL = `UPDATE dist_framework_meta SET expires = NOW(6) + INTERVAL ? SECOND WHERE host = ? AND uuid = COALESCE(?, uuid)`
	const runningSQL = `SELECT id FROM tidb_background_subtask WHERE exec_id = ? AND state = 'running' ORDER BY id`
	const lockSQL = `
		SELECT id FROM tidb_background_subtask WHERE id IN (?) AND exec_id = ? AND state = 'running'
		ORDER BY id FOR UPDATE SKIP LOCKED`
	const renewSQL = `UPDATE tidb_background_subtask SET exec_expired = NOW() + INTERVAL ? SECOND WHERE id IN (?)`
	db.life.keep(ctx)
	uuid, _ := db.uuids.Load(nodeID) // nil: registered by another process
	return db.tx(ctx, func(tx *sqlx.Tx) error {
		if err := must(ctx, tx, dxf.ErrNotFound, nodeSQL, seconds(dxf.NodeLease), nodeID, uuid); err != nil {
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

// registration is a node's row and whether its lease is over.
type registration struct {
	dxf.Node
	expires string
	over    bool
}

// registrations lists the rows of all nodes, by ID.
func (db *DB) registrations(ctx context.Context, q sqlx.QueryerContext) ([]registration, error) {
	const nodesSQL = `
		SELECT host, COALESCE(role, ''), COALESCE(cpu_count, 0), uuid, COALESCE(CAST(expires AS CHAR), ''), COALESCE(expires <= NOW(6), 1)
		FROM dist_framework_meta ORDER BY host`
	rows, err := q.QueryContext(ctx, nodesSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []registration
	for rows.Next() {
		var r registration
		if err := rows.Scan(&r.ID, &r.Role, &r.CPUCount, &r.UUID, &r.expires, &r.over); err != nil {
			return nil, err
		}
		still := db.sights.over("node "+r.ID, r.UUID+" "+r.expires, dxf.NodeLease)
		r.over = r.over || still
		all = append(all, r)
	}
	return all, rows.Err()
}

// Nodes lists the live nodes, by ID.
func (db *DB) Nodes(ctx context.Context) ([]dxf.Node, error) {
	all, err := db.registrations(ctx, db.meta)
	if err != nil {
		return nil, err
	}
	var nodes []dxf.Node
	for _, r := range all {
		if !r.over {
			nodes = append(nodes, r.Node)
		}
	}
	return nodes, nil
}

// ExpireNodes deletes the registrations that ran out and returns their IDs.
func (db *DB) ExpireNodes(ctx context.Context, t dxf.Term) ([]string, error) {
	const deleteSQL = `DELETE FROM dist_framework_meta WHERE host = ? AND uuid = ? AND COALESCE(CAST(expires AS CHAR), '') = ?`
	var gone []string
	err := db.tx(ctx, func(tx *sqlx.Tx) error {
		gone = nil
		if err := fenceOwner(ctx, tx, t); err != nil {
			return err
		}
		all, err := db.registrations(ctx, tx)
		if err != nil {
			return err
		}
		for _, r := range all {
			if !r.over {
				continue
			}
			n, err := change(ctx, tx, deleteSQL, r.ID, r.UUID, r.expires)
			if err != nil {
				return err
			}
			if n > 0 {
				gone = append(gone, r.ID)
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
