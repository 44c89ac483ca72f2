package changefeed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/table"
)

// A window is some statements, and the store may be far away: who waits for a marker,
// at the cut-over everybody who writes to the table, waits for each of these ways. So a
// window that is not large goes as one text.

// atOnce applies a window in one transaction and one round trip. done is false where that
// cannot be, or was refused and undone; statement by statement it will be told why.
func (w *writer) atOnce(ctx context.Context, f dxf.Feed, e effect, c dxf.FeedCommit) (done bool, err error) {
	text, ok := w.text(f, e, c)
	if !ok {
		return false, nil
	}
	_, err = w.session.ExecContext(ctx, text)
	if err == nil {
		return true, nil
	}
	if refused := (*mysql.MySQLError)(nil); !errors.As(err, &refused) || ctx.Err() != nil {
		return false, fmt.Errorf("apply a window: %w", err) // and the session's end ends it
	}
	w.log.Debug("a window was refused", zap.Error(err))
	if _, err := w.session.ExecContext(ctx, "ROLLBACK"); err != nil {
		return false, fmt.Errorf("undo a window: %w", err)
	}
	return false, nil
}

// text is the transaction; ok is false if it is too long.
func (w *writer) text(f dxf.Feed, e effect, c dxf.FeedCommit) (text string, ok bool) {
	all, size := []string{"START TRANSACTION", "SET @dxf_gone = 0"}, 0
	limit := min(batchBytes, w.packet/2, longString) // nor does a text with escapes go to a session that takes several statements
	add := func(statements ...string) error {
		for _, s := range statements {
			if size += len(s); size > limit {
				return errTooLong
			}
		}
		all = append(all, statements...)
		return nil
	}
	err := w.removals(e.gone, func(sql string, _ []*fate) error {
		return add(sql, "SET @dxf_gone = @dxf_gone + ROW_COUNT()")
	})
	if err == nil && len(e.images) > 0 {
		err = add(table.HoldSQL(w.layout.shadow))
	}
	if err == nil {
		err = w.inserts(f, e.images, func(sql string, _ []*fate) error { return add(sql) })
	}
	if err != nil {
		return "", false
	}
	save, wrong := w.store.CommitSQL(f, c)
	if e.counted {
		wrong += fmt.Sprintf(" OR @dxf_gone <> %d", len(e.gone))
	}
	// An arithmetic overflow is an error in every mode of every server.
	all = append(append(all, save...), "SELECT 18446744073709551615 + ("+wrong+")", "COMMIT")
	return strings.Join(all, ";\n"), true
}

var errTooLong = errors.New("too long for one text")
