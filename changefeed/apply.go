package changefeed

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// batchBytes is the size of a statement at which the next one begins.
const batchBytes = 1 << 20

// keysPerDelete bounds the predicates of one DELETE: the server's range optimizer
// gives up on very long ones, and would then read the whole table.
const keysPerDelete = 500

// settings of the applier's session beside those of server.OpenSession. The server
// itself ends a transaction of ours that stands still: when the node is frozen,
// its locks on the shadow must not outlive its lease. Values come from a table
// with the same constraints, so that they are not checked again. The last one
// keeps MariaDB from turning long IN lists into joins. What MySQL does not know is
// a statement of its own.
var settings = []string{
	readCommitted,
	`SET SESSION foreign_key_checks = 0, SESSION innodb_lock_wait_timeout = 5`,
	`SET SESSION check_constraint_checks = 0`,
	`SET SESSION idle_transaction_timeout = 10`,
	`SET SESSION in_predicate_conversion_threshold = 0`,
}

const readCommitted = `SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`

// A writer applies windows on one session.
type writer struct {
	session *server.Session
	layout  *layout
	store   Store
	server  server.Identity
	packet  int // max_allowed_packet
	log     *zap.Logger
}

// openWriter opens a session with the feed's own server, and no other.
func openWriter(ctx context.Context, db *sql.DB, f dxf.Feed, l *layout, store Store, log *zap.Logger) (*writer, error) {
	// A DELETE that names its table by an alias wants a default schema.
	s, err := server.OpenSession(ctx, db, append(slices.Clone(settings), "USE "+server.Quote(l.source.Schema))...)
	if err != nil {
		return nil, err
	}
	w := &writer{session: s, layout: l, store: store, log: log}
	var format string
	if w.server, err = sameServer(ctx, s, f); err == nil {
		err = s.QueryRowContext(ctx, "SELECT @@max_allowed_packet, @@binlog_format").Scan(&w.packet, &format)
	}
	if err == nil && format == "STATEMENT" {
		err = dxf.StatementsOnly(f.JobID)
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("look at the store: %w", err)
	}
	return w, nil
}

// sameServer says who answers, and refuses another server than the feed's.
func sameServer(ctx context.Context, q server.Querier, f dxf.Feed) (server.Identity, error) {
	is, err := server.Identify(ctx, q)
	if err == nil && f.Server != "" && f.Server != is.String() {
		err = dxf.ServerChanged(f.JobID, f.Server, is.String())
	}
	return is, err
}

func (w *writer) close() { _ = w.session.Close() }

// transaction does something in one transaction, and again when somebody else (a
// copy worker, as a rule) holds a lock for too long.
func (w *writer) transaction(ctx context.Context, do func(tx *sql.Tx) error) error {
	for try := 1; ; try++ {
		err := w.once(ctx, do)
		if !server.Collided(err) || try == 20 {
			return err
		}
		if dxf.Sleep(ctx, rand.N(time.Duration(try)*40*time.Millisecond)) != nil {
			return ctx.Err()
		}
	}
}

func (w *writer) once(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := w.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return commit(tx)
}

func (w *writer) begin(ctx context.Context) (*sql.Tx, error) {
	tx, err := w.session.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin a window: %w", err)
	}
	return tx, nil
}

func commit(tx *sql.Tx) error {
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit a window: %w", err)
	}
	return nil
}

// save moves the feed's position in the caller's transaction.
func (w *writer) save(ctx context.Context, tx *sql.Tx, f dxf.Feed, c dxf.FeedCommit) error {
	if err := w.store.CommitFeed(ctx, tx, f, c); err != nil {
		return fmt.Errorf("save the position of changefeed %d: %w", f.JobID, err)
	}
	return nil
}

// write makes the changes of a window in the caller's transaction.
func (w *writer) write(ctx context.Context, tx *sql.Tx, f dxf.Feed, e effect) error {
	if err := w.remove(ctx, tx, f, e.gone, e.counted); err != nil {
		return err
	}
	return w.insert(ctx, tx, f, e.images)
}

// remove deletes rows by key; counted: all of them must be there.
func (w *writer) remove(ctx context.Context, tx *sql.Tx, f dxf.Feed, gone []*fate, counted bool) error {
	return w.removals(gone, func(sql string, batch []*fate) error {
		res, err := tx.ExecContext(ctx, sql)
		if err != nil {
			return fmt.Errorf("delete changed rows of %s: %w", w.layout.shadow, err)
		}
		if n, err := res.RowsAffected(); counted && (err != nil || n != int64(len(batch))) {
			return w.diverged(ctx, tx, f, batch, n)
		}
		return nil
	})
}

// removals makes the statements of remove. FORCE INDEX: the statistics of a table that is
// just being filled are no guide. A view takes none.
func (w *writer) removals(gone []*fate, do func(sql string, batch []*fate) error) error {
	l := w.layout
	head := "DELETE s FROM " + l.shadow + " AS s FORCE INDEX (" + server.Quote(l.key) + ") WHERE "
	sep, tail := " OR ", ""
	if len(l.by) == 1 {
		head += "s." + server.Quote(l.by[0].name) + " IN ("
		sep, tail = ",", ")"
	}
	return w.batches(gone, keysPerDelete, head, sep, tail, func(k *fate) string { return k.key }, do)
}

// insert writes the final images.
func (w *writer) insert(ctx context.Context, tx *sql.Tx, f dxf.Feed, images []*fate) error {
	if len(images) > 0 {
		if err := table.Hold(ctx, tx, w.layout.shadow); err != nil {
			return err
		}
	}
	return w.inserts(f, images, func(sql string, _ []*fate) error {
		_, err := tx.ExecContext(ctx, sql)
		if f.Mode == dxf.FeedStrict && server.IsErr(err, server.ErrDupEntry) {
			return w.duplicate(f, err)
		}
		if err != nil {
			return fmt.Errorf("write changed rows of %s: %w", w.layout.shadow, err)
		}
		return nil
	})
}

// inserts makes the statements of insert.
func (w *writer) inserts(f dxf.Feed, images []*fate, do func(sql string, batch []*fate) error) error {
	head := "REPLACE INTO "
	if f.Mode == dxf.FeedStrict {
		head = "INSERT INTO "
	}
	head += w.layout.shadow + " (" + w.layout.columns + ") VALUES "
	return w.batches(images, 1<<30, head, ",", "", func(k *fate) string { return k.image }, do)
}

// batches makes statements of about batchBytes. One row that is larger goes alone.
func (w *writer) batches(all []*fate, limit int, head, sep, tail string, text func(*fate) string, do func(string, []*fate) error) error {
	for len(all) > 0 {
		n, size := 0, len(head)+len(tail)
		for n < len(all) && n < limit {
			more := len(text(all[n])) + len(sep)
			if n > 0 && size+more > min(batchBytes, w.packet-1024) {
				break
			}
			size += more
			n++
		}
		if size > w.packet-1024 {
			return dxf.Errorf("a row of %s needs a statement of %d bytes to be written; max_allowed_packet is %d: "+
				"raise it and run the statement again",
				w.layout.source.Quoted(), size, w.packet)
		}
		var b strings.Builder
		b.Grow(size)
		b.WriteString(head)
		for i, k := range all[:n] {
			if i > 0 {
				b.WriteString(sep)
			}
			b.WriteString(text(k))
		}
		b.WriteString(tail)
		if err := do(b.String(), all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// diverged names a row that should have been there. n rows of the batch were.
func (w *writer) diverged(ctx context.Context, tx *sql.Tx, f dxf.Feed, batch []*fate, n int64) error {
	_ = tx.Rollback()
	l := w.layout
	for _, k := range batch {
		where := k.key
		if len(l.by) == 1 {
			where = "s." + server.Quote(l.by[0].name) + "=" + k.key
		}
		var found int
		err := w.session.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+l.shadow+" AS s"+table.OnlyTable+" WHERE "+where).Scan(&found)
		if err != nil {
			return fmt.Errorf("look for the row that is missing in %s: %w", l.shadow, err)
		}
		if found == 0 {
			return dxf.Errorf("shadow %s has diverged from its table: the row with key %s is not there (job %d); the table itself is unharmed, "+
				"run the statement again",
				l.shadow, tuple(k.key), f.JobID)
		}
	}
	return dxf.Errorf("shadow %s has diverged from its table: %d of %d rows were there, the first with key %s (job %d); "+
		"the table itself is unharmed, run the statement again",
		l.shadow, n, len(batch), tuple(batch[0].key), f.JobID)
}
