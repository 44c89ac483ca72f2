package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"dxfproxy/dxf"
)

const feedColumns = `job_id, table_schema, table_name, shadow_name, mode, exec_id, epoch, expires,
	server, binlog_file, binlog_pos, file_mark, window_file, window_pos, applied, lag_at, error`

// feedTables are what feedColumns are of.
const feedTables = `changefeed LEFT JOIN changefeed_window USING (job_id)`

type feedRow struct {
	JobID   int64        `db:"job_id"`
	Schema  string       `db:"table_schema"`
	Table   string       `db:"table_name"`
	Shadow  string       `db:"shadow_name"`
	Mode    string       `db:"mode"`
	ExecID  string       `db:"exec_id"`
	Epoch   int64        `db:"epoch"`
	Expires sql.NullTime `db:"expires"`
	Server  string       `db:"server"`
	File    string       `db:"binlog_file"`
	Pos     uint32       `db:"binlog_pos"`
	Mark    string       `db:"file_mark"`
	Applied int64        `db:"applied"`

	WindowFile sql.NullString `db:"window_file"`
	WindowPos  sql.NullInt64  `db:"window_pos"`

	LagAt sql.NullTime `db:"lag_at"`
	Error []byte       `db:"error"`
}

func (r feedRow) feed() (dxf.Feed, error) {
	e, err := readError(r.Error)
	if err != nil {
		return dxf.Feed{}, fmt.Errorf("read changefeed of job %d: %w", r.JobID, err)
	}
	return dxf.Feed{
		JobID: r.JobID, Schema: r.Schema, Table: r.Table, Shadow: r.Shadow, Mode: dxf.FeedMode(r.Mode),
		ExecID: r.ExecID, Epoch: r.Epoch, Expires: r.Expires.Time, Server: r.Server, File: r.File, Pos: r.Pos, FileMark: r.Mark,
		WindowFile: r.WindowFile.String, WindowPos: uint32(r.WindowPos.Int64),
		Applied: r.Applied, LagAt: r.LagAt.Time, Error: e,
	}, nil
}

// StartFeed writes the feed's row in the caller's transaction and forgets the
// markers of an earlier attempt. Epochs of a job never repeat, not even after
// DropFeed: the first one is the store's clock in microseconds.
func (db *DB) StartFeed(ctx context.Context, tx *sql.Tx, f dxf.Feed) error {
	const startSQL = `
		INSERT INTO {meta}.changefeed
			(job_id, table_schema, table_name, shadow_name, mode, epoch, server, binlog_file, binlog_pos, lag_at)
		VALUES (?, ?, ?, ?, 'merge', CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED), ?, ?, ?, NOW(6))
		ON DUPLICATE KEY UPDATE
			table_schema = VALUES(table_schema), table_name = VALUES(table_name), shadow_name = VALUES(shadow_name),
			mode = 'merge', exec_id = '', epoch = epoch + 1, expires = NULL,
			server = VALUES(server), binlog_file = VALUES(binlog_file), binlog_pos = VALUES(binlog_pos),
			file_mark = '', applied = 0, lag_at = VALUES(lag_at), error = NULL`
	if _, err := change(ctx, tx, db.here(startSQL), f.JobID, f.Schema, f.Table, f.Shadow, f.Server, f.File, f.Pos); err != nil {
		return err
	}
	return db.forget(ctx, tx, f.JobID)
}

const closeWindowSQL = `DELETE FROM {meta}.changefeed_window WHERE job_id = ?`

// forget removes the markers and the open window of an earlier attempt.
func (db *DB) forget(ctx context.Context, tx *sql.Tx, jobID int64) error {
	const deleteMarkersSQL = `DELETE FROM {meta}.changefeed_marker WHERE job_id = ?`
	if _, err := change(ctx, tx, db.here(deleteMarkersSQL), jobID); err != nil {
		return err
	}
	_, err := change(ctx, tx, db.here(closeWindowSQL), jobID)
	return err
}

// StopFeed ends the feed in the caller's transaction and keeps its row.
func (db *DB) StopFeed(ctx context.Context, tx *sql.Tx, jobID int64) error {
	const stopSQL = `UPDATE {meta}.changefeed SET mode = 'sealed', exec_id = '', expires = NULL, epoch = epoch + 1 WHERE job_id = ?`
	_, err := change(ctx, tx, db.here(stopSQL), jobID)
	return err
}

// DropFeed removes the feed's row and its markers in the caller's transaction.
func (db *DB) DropFeed(ctx context.Context, tx *sql.Tx, jobID int64) error {
	const dropSQL = `DELETE FROM {meta}.changefeed WHERE job_id = ?`
	if _, err := change(ctx, tx, db.here(dropSQL), jobID); err != nil {
		return err
	}
	return db.forget(ctx, tx, jobID)
}

// Feed returns a job's feed.
func (db *DB) Feed(ctx context.Context, jobID int64) (dxf.Feed, error) {
	return getFeed(ctx, db.meta, jobID)
}

func getFeed(ctx context.Context, q sqlx.QueryerContext, jobID int64) (dxf.Feed, error) {
	const feedSQL = `SELECT ` + feedColumns + ` FROM ` + feedTables + ` WHERE job_id = ?`
	var r feedRow
	err := sqlx.GetContext(ctx, q, &r, feedSQL, jobID)
	if errors.Is(err, sql.ErrNoRows) {
		return dxf.Feed{}, dxf.ErrNotFound
	}
	if err != nil {
		return dxf.Feed{}, err
	}
	return r.feed()
}

// Claimable lists the feeds that want an applier: nobody has claimed them, the lease is over,
// or it has not been renewed while this node was looking (see sights).
func (db *DB) Claimable(ctx context.Context) ([]dxf.Feed, error) {
	const claimableSQL = `
		SELECT ` + feedColumns + `, exec_id = '' OR expires IS NULL OR expires <= NOW(6) AS free FROM ` + feedTables + `
		WHERE mode IN ('merge', 'paused', 'strict') ORDER BY job_id`
	var rows []struct {
		feedRow
		Free bool `db:"free"`
	}
	if err := db.meta.SelectContext(ctx, &rows, claimableSQL); err != nil {
		return nil, err
	}
	var feeds []dxf.Feed
	for _, r := range rows {
		f, err := r.feed()
		if err != nil {
			return nil, err
		}
		if still := db.feedOver(f); r.Free || still {
			feeds = append(feeds, f)
		}
	}
	return feeds, nil
}

// feedOver says whether a feed's lease has stood still for longer than one lasts.
func (db *DB) feedOver(f dxf.Feed) bool {
	return db.sights.over(fmt.Sprint("feed ", f.JobID), fmt.Sprint(f.ExecID, f.Epoch, f.Expires), dxf.FeedLease)
}

// Claim takes a feed for a node.
func (db *DB) Claim(ctx context.Context, jobID int64, nodeID string) (dxf.Feed, error) {
	const claimSQL = `
		UPDATE changefeed SET exec_id = ?, epoch = epoch + 1, expires = NOW(6) + INTERVAL ? SECOND
		WHERE job_id = ? AND mode IN ('merge', 'paused', 'strict')
			AND (exec_id = '' OR expires IS NULL OR expires <= NOW(6) OR (? AND epoch = ? AND expires = ?))`
	var f dxf.Feed
	err := db.tx(ctx, func(tx *sqlx.Tx) error {
		was, err := getFeed(ctx, tx, jobID)
		if errors.Is(err, dxf.ErrNotFound) {
			return dxf.ErrLeaseLost
		}
		if err != nil {
			return err
		}
		still, expires := db.feedOver(was), sql.NullTime{Time: was.Expires, Valid: !was.Expires.IsZero()}
		if err := must(ctx, tx, dxf.ErrLeaseLost, claimSQL, nodeID, seconds(dxf.FeedLease), jobID, still, was.Epoch, expires); err != nil {
			return err
		}
		f, err = getFeed(ctx, tx, jobID)
		return err
	})
	if err != nil {
		return dxf.Feed{}, err
	}
	return f, nil
}

// RenewFeed renews the lease and returns the row as it is now.
func (db *DB) RenewFeed(ctx context.Context, f dxf.Feed) (dxf.Feed, error) {
	const renewSQL = `
		UPDATE changefeed SET expires = NOW(6) + INTERVAL ? SECOND WHERE job_id = ? AND exec_id = ? AND epoch = ?`
	var now dxf.Feed
	err := db.tx(ctx, func(tx *sqlx.Tx) error {
		n, err := change(ctx, tx, renewSQL, seconds(dxf.FeedLease), f.JobID, f.ExecID, f.Epoch)
		if err != nil {
			return err
		}
		now, err = getFeed(ctx, tx, f.JobID)
		if err == nil && n == 0 {
			return dxf.ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return dxf.Feed{}, err
	}
	return now, nil
}

// ReleaseFeed gives the lease up.
func (db *DB) ReleaseFeed(ctx context.Context, f dxf.Feed) error {
	const releaseSQL = `
		UPDATE changefeed SET exec_id = '', expires = NULL, epoch = epoch + 1 WHERE job_id = ? AND exec_id = ? AND epoch = ?`
	return must(ctx, db.meta, dxf.ErrLeaseLost, releaseSQL, f.JobID, f.ExecID, f.Epoch)
}

// OpenWindow writes down where a window that begins at f's position ends.
func (db *DB) OpenWindow(ctx context.Context, f dxf.Feed, file string, pos uint32) error {
	const openSQL = `
		REPLACE INTO changefeed_window (job_id, window_file, window_pos)
		SELECT job_id, ?, ? FROM changefeed
		WHERE job_id = ? AND exec_id = ? AND epoch = ? AND mode = ? AND binlog_file = ? AND binlog_pos = ? LOCK IN SHARE MODE`
	return must(ctx, db.meta, dxf.ErrLeaseLost, openSQL, file, pos, f.JobID, f.ExecID, f.Epoch, string(f.Mode), f.File, f.Pos)
}

// FenceFeed lets the caller's transaction end before the feed's next holder
// begins, and not at all when there is one already.
func (db *DB) FenceFeed(ctx context.Context, tx *sql.Tx, f dxf.Feed) error {
	const fenceSQL = `
		SELECT 1 FROM {meta}.changefeed
		WHERE job_id = ? AND exec_id = ? AND epoch = ? AND mode = ? LOCK IN SHARE MODE`
	var one int
	err := tx.QueryRowContext(ctx, db.here(fenceSQL), f.JobID, f.ExecID, f.Epoch, string(f.Mode)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return dxf.ErrLeaseLost
	}
	return err
}

// commitFeed are the statements of CommitFeed. The first changes one row, the feed's, or
// the feed is another's.
func (db *DB) commitFeed(f dxf.Feed, c dxf.FeedCommit) []string {
	const commitSQL = `UPDATE {meta}.changefeed
		SET binlog_file = %s, binlog_pos = %d, file_mark = %s, applied = applied + %d, mode = '%s',
			lag_at = NOW(6), expires = NOW(6) + INTERVAL %d SECOND
		WHERE job_id = %d AND exec_id = %s AND epoch = %d AND mode = '%s'`
	const ackSQL = `UPDATE {meta}.changefeed_marker SET acked = NOW(6) WHERE id IN (%s) AND job_id = %d`
	statements := []string{db.here(fmt.Sprintf(commitSQL, quoted(c.File), c.Pos, quoted(c.Mark), c.Applied, c.Mode, seconds(dxf.FeedLease),
		f.JobID, literal([]byte(f.ExecID)), f.Epoch, f.Mode))}
	if f.WindowFile != "" {
		statements = append(statements, db.here(strings.Replace(closeWindowSQL, "?", decimal(f.JobID), 1)))
	}
	if len(c.Markers) > 0 {
		var ids []string
		for _, id := range c.Markers {
			ids = append(ids, decimal(id))
		}
		statements = append(statements, db.here(fmt.Sprintf(ackSQL, strings.Join(ids, ","), f.JobID)))
	}
	return statements
}

// CommitFeed writes what a window changed in the feed's row, closes the window and
// acknowledges its markers, in the caller's transaction; it renews the lease too.
func (db *DB) CommitFeed(ctx context.Context, tx *sql.Tx, f dxf.Feed, c dxf.FeedCommit) error {
	statements := db.commitFeed(f, c)
	if err := must(ctx, tx, dxf.ErrLeaseLost, statements[0]); err != nil {
		return err
	}
	for _, s := range statements[1:] {
		if _, err := change(ctx, tx, s); err != nil {
			return err
		}
	}
	return nil
}

// CommitSQL is CommitFeed as statements for a transaction that goes to the store as one
// text. lost is an expression that is true, after them, where CommitFeed would answer
// dxf.ErrLeaseLost.
func (db *DB) CommitSQL(f dxf.Feed, c dxf.FeedCommit) (statements []string, lost string) {
	return slices.Insert(db.commitFeed(f, c), 1, "SET @dxf_moved = ROW_COUNT()"), "@dxf_moved <> 1"
}

// quoted is literal of a text that may be empty.
func quoted(s string) string {
	if s == "" {
		return "''"
	}
	return literal([]byte(s))
}

// FailFeed puts the feed into FeedFailed.
func (db *DB) FailFeed(ctx context.Context, f dxf.Feed, e *dxf.Error) error {
	const failSQL = `UPDATE changefeed SET mode = 'failed', error = ? WHERE job_id = ? AND exec_id = ? AND epoch = ?`
	return must(ctx, db.meta, dxf.ErrLeaseLost, failSQL, asJSON(e), f.JobID, f.ExecID, f.Epoch)
}

// SetFeedMode moves a feed between modes under a subtask's lease.
func (db *DB) SetFeedMode(ctx context.Context, l dxf.Lease, jobID int64, from, to dxf.FeedMode) error {
	const fenceSQL = `
		SELECT 1 FROM tidb_background_subtask
		WHERE id = ? AND exec_id = ? AND epoch = ? AND state = 'running' FOR UPDATE`
	const modeSQL = `UPDATE changefeed SET mode = ? WHERE job_id = ? AND mode IN (?, ?)`
	return db.tx(ctx, func(tx *sqlx.Tx) error {
		var one int
		err := tx.GetContext(ctx, &one, fenceSQL, l.SubtaskID, l.ExecID, l.Epoch)
		if errors.Is(err, sql.ErrNoRows) {
			return dxf.ErrLeaseLost
		}
		if err != nil {
			return err
		}
		n, err := change(ctx, tx, modeSQL, string(to), jobID, string(from), string(to))
		if err != nil || n > 0 {
			return err
		}
		f, err := getFeed(ctx, tx, jobID)
		if err != nil {
			return err
		}
		if f.Mode == dxf.FeedFailed && f.Error != nil {
			return f.Error
		}
		return fmt.Errorf("changefeed of job %d is %s, not %s", jobID, f.Mode, from)
	})
}

// Mark inserts a marker in a transaction of its own.
func (db *DB) Mark(ctx context.Context, jobID int64, kind dxf.MarkerKind) (int64, error) {
	const markSQL = `INSERT INTO changefeed_marker (job_id, kind) VALUES (?, ?)`
	r, err := db.meta.ExecContext(ctx, markSQL, jobID, string(kind))
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

// Marked says whether the marker was acknowledged. dxf.ErrNotFound: the feed
// or the marker is gone, which means the job's work was begun anew or is over.
func (db *DB) Marked(ctx context.Context, jobID, marker int64) (bool, error) {
	const markedSQL = `
		SELECT m.acked IS NOT NULL AS acked, f.mode, f.error
		FROM changefeed_marker m JOIN changefeed f ON f.job_id = m.job_id WHERE m.id = ? AND m.job_id = ?`
	var r struct {
		Acked bool   `db:"acked"`
		Mode  string `db:"mode"`
		Error []byte `db:"error"`
	}
	err := db.meta.GetContext(ctx, &r, markedSQL, marker, jobID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, dxf.ErrNotFound
	case err != nil:
		return false, err
	case dxf.FeedMode(r.Mode) == dxf.FeedFailed:
		e, err := readError(r.Error)
		if err != nil {
			return false, err
		}
		if e == nil {
			e = dxf.Errorf("changefeed of job %d failed", jobID)
		}
		return false, e
	}
	return r.Acked, nil
}
