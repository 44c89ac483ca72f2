package dispatcher

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/table"
)

// Backfill is the Extension of tasks that change a table: ADD INDEX and what
// stands beside it in one statement.
type Backfill struct {
	db    *sql.DB
	store FeedStore
	log   *zap.Logger
}

// NewBackfill makes the extension. db is a pool of connections to the store
// under the account that does the jobs' work; log may be nil.
func NewBackfill(db *sql.DB, store FeedStore, log *zap.Logger) *Backfill {
	if log == nil {
		log = zap.NewNop()
	}
	return &Backfill{db: db, store: store, log: log}
}

// Sizes of the pieces of a copy. Enough pieces for the nodes to end together;
// pieces large enough to be worth a row, and small enough to be lost with a node.
const (
	piecesPerNode = 16
	minPiece      = 10_000
	maxPiece      = 5_000_000
	maxPieces     = 1024 // a table far larger than the server's estimate gets larger pieces
)

// Plan says what follows t.Step:
//
//	init → copy → build → verify → cutover → done
//	init → native → done
func (b *Backfill) Plan(ctx context.Context, t dxf.Task, nodes int) (Plan, error) {
	var m dxf.BackfillMeta
	if err := json.Unmarshal(t.Meta, &m); err != nil {
		return Plan{}, dxf.Errorf("read the meta of task %d: %s", t.ID, err)
	}
	if m.Way == dxf.WayTxn || nodes < 1 {
		nodes = 1
	}
	switch t.Step {
	case dxf.StepInit:
		p, err := b.begin(ctx, m, nodes)
		if err == nil && p.Step == dxf.StepCopy {
			p.Concurrency, err = b.share(ctx, t.Concurrency, nodes)
		}
		return p, err
	case dxf.StepCopy:
		return b.built(ctx, t, m)
	case dxf.StepBuild:
		return b.pieces(ctx, m, dxf.StepVerify, nodes)
	case dxf.StepVerify:
		return single(m, dxf.StepCutover)
	case dxf.StepCutover, dxf.StepNative:
		return Plan{Step: dxf.StepDone}, nil
	}
	return Plan{}, dxf.Errorf("a backfill has no step after %s", t.Step)
}

// selectProcessors: MariaDB's default of thread_pool_size is the number of the
// server's processors.
const selectProcessors = `SELECT @@GLOBAL.thread_pool_size`

// share is how many chunks each node may have under way so that all nodes
// together keep the store's processors busy and no more: the work of a chunk is
// the store's, and beyond that threads only get into each other's way (2 M rows
// on two processors: 16.6 s with three chunks at once, 20.6 s with six).
func (b *Backfill) share(ctx context.Context, concurrency, nodes int) (int, error) {
	var processors int
	err := b.db.QueryRowContext(ctx, selectProcessors).Scan(&processors)
	if table.IsErr(err, 1193) { // a server without a thread pool
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count the store's processors: %w", err)
	}
	return min(max(concurrency, 1), max((processors+nodes-1)/nodes, 1)), nil
}

// single is a step of one subtask.
func single(m dxf.BackfillMeta, step dxf.Step) (Plan, error) {
	text, err := json.Marshal(m)
	return Plan{Step: step, Meta: text, Subtasks: []dxf.Subtask{{Type: dxf.Backfill, Step: step, Ordinal: 1, Meta: []byte("{}")}}}, err
}

// built plans the build, now that the rows are counted.
func (b *Backfill) built(ctx context.Context, t dxf.Task, m dxf.BackfillMeta) (Plan, error) {
	subs, err := b.store.Subtasks(ctx, t.ID, dxf.StepCopy)
	if err != nil {
		return Plan{}, fmt.Errorf("count the rows copied: %w", err)
	}
	m.Rows = 0
	for _, s := range subs {
		m.Rows += s.Summary.RowCount
	}
	return single(m, dxf.StepBuild)
}

// pieces plans a step over the whole table, cut into ranges.
func (b *Backfill) pieces(ctx context.Context, m dxf.BackfillMeta, step dxf.Step, nodes int) (Plan, error) {
	s, err := table.OpenSession(ctx, b.db)
	if err != nil {
		return Plan{}, err
	}
	defer s.Close()
	info, err := b.load(ctx, s, m)
	if err != nil {
		return Plan{}, err
	}
	return cut(ctx, s, info, m, step, nodes)
}

func cut(ctx context.Context, s *table.Session, info *table.Info, m dxf.BackfillMeta, step dxf.Step, nodes int) (Plan, error) {
	rows := m.Rows
	if step == dxf.StepCopy {
		rows = info.Rows
	}
	split := table.NewSplitter(info, min(max(rows/int64(nodes*piecesPerNode), minPiece), maxPiece))
	p := Plan{Step: step}
	for {
		r, ok, err := split.Next(ctx, s)
		if err != nil {
			return Plan{}, err
		}
		if !ok {
			break
		}
		span, err := json.Marshal(r)
		if err != nil {
			return Plan{}, err
		}
		meta, err := json.Marshal(dxf.RangeMeta{Range: span})
		if err != nil {
			return Plan{}, err
		}
		p.Subtasks = append(p.Subtasks, dxf.Subtask{Type: dxf.Backfill, Step: step, Ordinal: len(p.Subtasks) + 1, Meta: meta})
		if len(p.Subtasks)%maxPieces == 0 {
			split.Rows *= 4
		}
	}
	var err error
	p.Meta, err = json.Marshal(m)
	return p, err
}

// load reads the table and refuses one that is not what the user changed.
func (b *Backfill) load(ctx context.Context, q table.Querier, m dxf.BackfillMeta) (*table.Info, error) {
	info, err := table.Load(ctx, q, m.Schema, m.Table)
	if errors.Is(err, table.ErrNoTable) {
		return nil, &dxf.Error{Code: 1146, State: "42S02", Class: "schema", Message: fmt.Sprintf("Table '%s.%s' doesn't exist", m.Schema, m.Table)}
	}
	if err != nil {
		return nil, err
	}
	if m.Fingerprint != "" && info.Fingerprint != m.Fingerprint {
		return nil, dxf.SchemaChanged("")
	}
	return info, nil
}

// IsRetryableErr says whether planning or cleaning should be tried again: the
// store went away, somebody held a lock too long, or it is not known yet what
// the outcome is.
func (b *Backfill) IsRetryableErr(err error) bool {
	var own *dxf.Error
	var open undecided
	switch {
	case err == nil:
		return false
	case errors.As(err, &open):
		return true
	case errors.As(err, &own):
		return false
	}
	var n net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &n) || errors.Is(err, errInvisible) || errors.Is(err, table.ErrLargeFile) ||
		// too many connections, shutdown, lock wait, deadlock, interrupted, killed
		table.IsErr(err, 1040, 1053, 1205, 1213, 1317, 1927)
}

// clientError makes the server's answer to the user's statement the user's.
func clientError(err error) error {
	var e *mysql.MySQLError
	if !errors.As(err, &e) || table.IsErr(err, 1040, 1053, 1205, 1213, 1317, 1927) {
		return err
	}
	state := strings.TrimRight(string(e.SQLState[:]), "\x00")
	if state == "" {
		state = "HY000"
	}
	return &dxf.Error{Code: e.Number, State: state, Message: e.Message}
}
