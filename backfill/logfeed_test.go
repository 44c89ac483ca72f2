package backfill_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/store"
)

// logFeed is a changefeed for tests: writers write every change into a log table
// as well, and an applier copies it to the shadow, late. It has the modes and
// markers of the real one.
type logFeed struct {
	*store.DB
	h      *harness
	shadow string
	delay  atomic.Int64       // nanoseconds between looks
	hook   func(stage string) // called when the executor asks for a seal or checks its lease, one at a time
	hooked sync.Mutex

	mu      sync.Mutex
	mode    dxf.FeedMode
	failure *dxf.Error
	kinds   []dxf.MarkerKind // by id - 1
	acked   int
	stop    context.CancelFunc
	ended   chan struct{}
}

func newLogFeed(h *harness) *logFeed {
	return &logFeed{DB: h.Store, h: h, mode: dxf.FeedMerge}
}

func (f *logFeed) begin(shadow string) {
	f.shadow = shadow
	for _, q := range []string{
		"CREATE TABLE log (n BIGINT AUTO_INCREMENT PRIMARY KEY, op CHAR(1), id BIGINT, a INT, b VARCHAR(40))",
	} {
		f.h.SQL(q)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.stop, f.ended = cancel, make(chan struct{})
	go f.run(ctx)
	f.h.Cleanup(func() { cancel(); <-f.ended })
}

func (f *logFeed) run(ctx context.Context) {
	defer close(f.ended)
	for ctx.Err() == nil {
		f.mu.Lock()
		mode, known := f.mode, len(f.kinds)
		f.mu.Unlock()
		if mode == dxf.FeedMerge || mode == dxf.FeedStrict {
			verb := "REPLACE"
			if mode == dxf.FeedStrict {
				verb = "INSERT"
			}
			err := f.apply(ctx, verb)
			var e *mysql.MySQLError
			switch {
			case errors.As(err, &e) && e.Number == 1062:
				f.mu.Lock()
				f.mode, f.failure = dxf.FeedFailed, &dxf.Error{Code: 1062, State: "23000", Message: e.Message}
				f.mu.Unlock()
			case err == nil:
				f.ack(known)
			}
		}
		t := time.NewTimer(max(time.Duration(f.delay.Load()), time.Millisecond))
		<-t.C
	}
}

// ack acknowledges the markers that were there before the last look at the log.
func (f *logFeed) ack(known int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.acked < known {
		f.acked++
		switch f.kinds[f.acked-1] {
		case dxf.MarkPause:
			f.mode = dxf.FeedPaused
			return
		case dxf.MarkSeal:
			f.mode = dxf.FeedSealed
			return
		}
	}
}

func (f *logFeed) apply(ctx context.Context, verb string) error {
	tx, err := f.h.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, "SELECT n, op, id FROM log ORDER BY n")
	if err != nil {
		return err
	}
	written := map[string]string{} // the entry that a row's image is in; "": it is deleted
	var all []string
	for rows.Next() {
		var n, o, id string
		if err := rows.Scan(&n, &o, &id); err != nil {
			return err
		}
		all = append(all, n)
		written[id] = n
		if o == "d" {
			written[id] = ""
		}
	}
	if err := rows.Err(); err != nil || len(all) == 0 {
		return err
	}
	// Few statements, or four writers are faster than this for ever.
	shadow := server.Quote(f.shadow)
	statements := []string{"DELETE FROM " + shadow + " WHERE id IN (" + strings.Join(slices.Collect(maps.Keys(written)), ",") + ")"}
	images := slices.DeleteFunc(slices.Collect(maps.Values(written)), func(n string) bool { return n == "" })
	if len(images) > 0 {
		statements = append(statements, verb+" INTO "+shadow+" (id, a, b) SELECT id, a, b FROM log WHERE n IN ("+strings.Join(images, ",")+")")
	}
	statements = append(statements, "DELETE FROM log WHERE n IN ("+strings.Join(all, ",")+")")
	for _, q := range statements {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (f *logFeed) Feed(context.Context, int64) (dxf.Feed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return dxf.Feed{Mode: f.mode, Error: f.failure}, nil
}

func (f *logFeed) SetFeedMode(ctx context.Context, l dxf.Lease, _ int64, from, to dxf.FeedMode) error {
	if err := f.DB.CheckLease(ctx, l); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.mode {
	case from, to:
		f.mode = to
		return nil
	case dxf.FeedFailed:
		return f.failure
	}
	return fmt.Errorf("feed is %s, not %s", f.mode, from)
}

func (f *logFeed) call(stage string) {
	f.hooked.Lock()
	defer f.hooked.Unlock()
	if f.hook != nil {
		f.hook(stage)
	}
}

func (f *logFeed) CheckLease(ctx context.Context, l dxf.Lease) error {
	f.call("lease")
	return f.DB.CheckLease(ctx, l)
}

func (f *logFeed) Mark(_ context.Context, _ int64, kind dxf.MarkerKind) (int64, error) {
	if kind == dxf.MarkSeal {
		f.call("seal")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kinds = append(f.kinds, kind)
	return int64(len(f.kinds)), nil
}

func (f *logFeed) Marked(_ context.Context, _, id int64) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure != nil {
		return false, f.failure
	}
	return int(id) <= f.acked, nil
}
