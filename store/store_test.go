package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/store"
	"dxfproxy/store/storetest"
)

var srv *mariadbd.Server

func TestMain(m *testing.M) { mariadbdtest.Main(m, &srv) }

var schemas atomic.Int64

var types = dxf.TypesOf(storetest.Types...)

// open opens a store in a schema of its own.
func open(t *testing.T) *store.DB {
	t.Helper()
	return openSchema(t, fmt.Sprintf("dxf_%d", schemas.Add(1)))
}

func openSchema(t *testing.T, schema string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{DSN: srv.DSN(), Types: types, Schema: schema})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// bench sets deadlines back with plain SQL, behind the store's back.
type bench struct {
	*store.DB
	t *testing.T
}

func (b bench) exec(query string, args ...any) {
	b.t.Helper()
	_, err := b.SQL().ExecContext(b.t.Context(), query, args...)
	require.NoError(b.t, err)
}

func (b bench) ExpireOwner() {
	b.exec(`UPDATE owner SET expires = NOW(6) - INTERVAL 1 SECOND WHERE expires IS NOT NULL`)
}

func (b bench) ExpireNode(id string) {
	b.exec(`UPDATE dist_framework_meta SET expires = NOW(6) - INTERVAL 1 SECOND WHERE host = ?`, id)
}

func (b bench) ExpireSubtask(id int64) {
	b.exec(`UPDATE tidb_background_subtask SET exec_expired = NOW() - INTERVAL 1 SECOND WHERE id = ? AND exec_expired IS NOT NULL`, id)
}

func (b bench) ExpireFeed(jobID int64) {
	b.exec(`UPDATE changefeed SET expires = NOW(6) - INTERVAL 1 SECOND WHERE job_id = ? AND expires IS NOT NULL`, jobID)
}

func (b bench) InTx(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := b.SQL().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (b bench) Save(ctx context.Context, l dxf.Lease, checkpoint []byte, sum dxf.Summary) error {
	return b.InTx(ctx, func(tx *sql.Tx) error { return b.SaveCheckpoint(ctx, tx, l, checkpoint, sum) })
}

func TestStore(t *testing.T) {
	storetest.Tasks(t, func(t *testing.T) storetest.Bench { return bench{open(t), t} })
	storetest.Server(t, func(t *testing.T) storetest.ServerBench { return bench{open(t), t} })
}
