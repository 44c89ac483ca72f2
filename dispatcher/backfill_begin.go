package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/table"
)

// begin chooses the way, makes the shadow, starts the changefeed and cuts the
// table. It all happens on one session that holds the job's lock, so that a
// former owner who is frozen half-way can do nothing more when he wakes up: the
// next owner got the lock because that session is gone.
func (b *Backfill) begin(ctx context.Context, m dxf.BackfillMeta, nodes int) (Plan, error) {
	s, err := b.session(ctx, m.JobID)
	if err != nil {
		return Plan{}, err
	}
	defer s.Close()
	asked := m.Fingerprint
	m.Fingerprint = ""
	info, err := b.load(ctx, s, m)
	if err != nil {
		return Plan{}, err
	}
	m.Fingerprint = info.Fingerprint
	if asked != "" && asked != info.Fingerprint {
		// A job that was ahead of this one, or somebody else, has changed the
		// table meanwhile. Nothing is done yet: the change is made to what is there.
		if m.Target, err = b.target(ctx, s, info, m); err != nil {
			return Plan{}, err
		}
	}
	if m.Way == dxf.WayNative || (m.Way == dxf.WayDistributed && info.DataLength < m.NativeMaxSize) {
		return native(m, "")
	}
	settings, err := table.LoadSettings(ctx, s)
	if err != nil {
		return Plan{}, err
	}
	if m.Target != "" { // else the shadow will tell
		switch reason, instant, err := judge(info, m.Target, settings); {
		case err != nil:
			return Plan{}, err
		case instant:
			return native(m, "")
		case reason != "":
			return native(m, reason)
		}
	}
	if m.Shadow, err = table.ShadowName(m.Table, m.JobID); err != nil {
		return native(m, table.Reason(err.Error()))
	}
	if m.Old, err = table.OldName(m.Table, m.JobID); err != nil {
		return native(m, table.Reason(err.Error()))
	}
	redirected, err := table.Redirect(m.Statement, m.TableAt, m.CharsetClient, m.Schema, m.Shadow)
	if err != nil {
		return native(m, table.Reason(err.Error()))
	}
	if err := b.makeShadow(ctx, s, info, m, redirected); err != nil {
		return Plan{}, err
	}
	// What the statement made of the shadow is the target, whatever we thought.
	if m.Target, err = table.ShowCreate(ctx, s, m.Schema, m.Shadow); err != nil {
		return Plan{}, err
	}
	if reason, instant, err := judge(info, m.Target, settings); err != nil || instant || reason != "" {
		err = errors.Join(err, drop(ctx, s, m.Schema, m.Shadow))
		if err != nil {
			return Plan{}, err
		}
		m.Shadow, m.Old = "", ""
		return native(m, reason)
	}
	target, err := table.Parse(m.Target)
	if err != nil {
		return Plan{}, err
	}
	autoIncrement := ""
	for _, c := range info.Columns {
		if c.AutoIncrement {
			autoIncrement = c.Name
		}
	}
	shadow, err := table.Load(ctx, s, m.Schema, m.Shadow)
	if err != nil {
		return Plan{}, err
	}
	key := shadow.SameKey(info.CopyKey)
	if key == nil {
		return Plan{}, dxf.Errorf("the shadow of %s.%s has not the key %s", m.Schema, m.Table, info.CopyKey.Name)
	}
	_, build := table.Indexes(target, key, autoIncrement)
	if statement := table.DropIndexes(m.Schema, m.Shadow, build); statement != "" {
		if _, err := s.ExecContext(ctx, statement); err != nil {
			return Plan{}, fmt.Errorf("take the indexes off the shadow: %w", err)
		}
	}
	m.Indexes, m.Rows = table.Texts(build), info.Rows
	switch reason, err := b.startFeed(ctx, s, m); {
	case err != nil:
		return Plan{}, err
	case reason != "":
		if err := drop(ctx, s, m.Schema, m.Shadow); err != nil {
			return Plan{}, err
		}
		return native(m, reason)
	}
	b.log.Info("shadow made", zap.Int64("job", m.JobID), zap.String("table", m.Schema+"."+m.Table), zap.String("shadow", m.Shadow), zap.Strings("indexes", m.Indexes))
	return cut(ctx, s, info, m, dxf.StepCopy, nodes)
}

// target is what the statement makes of the table as it is now, tried on an
// empty copy; "" when that cannot be told.
func (b *Backfill) target(ctx context.Context, s *table.Session, info *table.Info, m dxf.BackfillMeta) (string, error) {
	var err error
	if m.Shadow, err = table.ShadowName(m.Table, m.JobID); err != nil {
		return "", nil
	}
	redirected, err := table.Redirect(m.Statement, m.TableAt, m.CharsetClient, m.Schema, m.Shadow)
	if err != nil {
		return "", nil
	}
	err = b.makeShadow(ctx, s, info, m, redirected)
	if err != nil && len(info.Parents)+len(info.Children) > 0 {
		return "", drop(ctx, s, m.Schema, m.Shadow) // the copy has no foreign keys: the table itself will tell
	}
	if err != nil {
		return "", err
	}
	text, err := table.ShowCreate(ctx, s, m.Schema, m.Shadow)
	if err != nil {
		return "", err
	}
	return text, drop(ctx, s, m.Schema, m.Shadow)
}

// native plans the store's own DDL. A reason makes a Note for the user.
func native(m dxf.BackfillMeta, reason table.Reason) (Plan, error) {
	m.Way, m.Shadow, m.Old, m.Indexes = dxf.WayNative, "", "", nil
	if reason != "" {
		m.Note = dxf.Errorf("table %s.%s cannot be copied online: %s; the store's own DDL is used", m.Schema, m.Table, reason)
	}
	return single(m, dxf.StepNative)
}

// judge says whether the change can be made to a copy, and whether it needs none.
func judge(info *table.Info, targetText string, settings table.Settings) (reason table.Reason, instant bool, err error) {
	source, err := table.Parse(info.Create)
	if err != nil {
		return "", false, err
	}
	target, err := table.Parse(targetText)
	if err != nil {
		return "", false, err
	}
	if table.Compare(source, target).Instant {
		return "", true, nil
	}
	return table.Check(info, target, settings), false, nil
}

// A session of ours ends when its node has been frozen for this many seconds.
const sessionEnd = "SET SESSION wait_timeout = 20"

// session opens a session that holds the job's locks.
func (b *Backfill) session(ctx context.Context, job int64) (*table.Session, error) {
	s, err := table.OpenSession(ctx, b.db, sessionEnd, "SET SESSION foreign_key_checks = 0")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{table.LockName(job), table.SwapLockName(job)} {
		if _, err := s.Lock(ctx, name, 0, nil); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// makeShadow creates the shadow and makes the user's change to it. An empty one
// was left by an owner that died in here; one with rows is somebody's table.
func (b *Backfill) makeShadow(ctx context.Context, s *table.Session, info *table.Info, m dxf.BackfillMeta, redirected string) error {
	var n int
	err := s.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+table.Quote(m.Schema, m.Shadow)+" LIMIT 1) AS x").Scan(&n)
	if n > 0 {
		return dxf.Errorf("table %s is in the way", m.Shadow)
	}
	if err == nil {
		err = drop(ctx, s, m.Schema, m.Shadow)
	}
	if err != nil && !table.IsErr(err, 1146) {
		return fmt.Errorf("look for an earlier shadow: %w", err)
	}
	charset := m.CharsetClient
	if charset == "" {
		charset = "utf8mb4"
	}
	for _, q := range []string{
		table.CreateShadow(info, m.Shadow),
		"USE " + table.Quote(m.Schema),
		"SET @dxf_mode = @@SESSION.sql_mode, SESSION sql_mode = '" + m.SQLMode + "'",
		"SET SESSION character_set_client = " + charset,
		redirected,
		"SET NAMES utf8mb4",
		"SET SESSION sql_mode = @dxf_mode",
	} {
		if _, err := s.ExecContext(ctx, q); err != nil {
			return clientError(err)
		}
	}
	return nil
}

func drop(ctx context.Context, s *table.Session, schema, name string) error {
	if _, err := s.ExecContext(ctx, "DROP TABLE IF EXISTS "+table.Quote(schema, name)); err != nil {
		return fmt.Errorf("drop %s: %w", name, err)
	}
	return nil
}

var errInvisible = errors.New("transactions before the changefeed's start are not visible yet")

// startFeed begins the feed at the end of the binlog. A transaction is in the
// binlog before it can be read, so the copy may begin only when a snapshot has
// been seen that is as new: what a copier cannot see later comes by the feed.
// That of a prepared XA transaction may never come; it has to be decided first.
func (b *Backfill) startFeed(ctx context.Context, s *table.Session, m dxf.BackfillMeta) (table.Reason, error) {
	p, err := table.Position(ctx, s)
	if err != nil {
		return "", err
	}
	undecided, err := prepared(ctx, s)
	if err != nil {
		return "", err
	}
	for end := time.Now().Add(undecidedLimit); len(undecided) > 0; {
		now, err := prepared(ctx, s)
		if err != nil {
			return "", err
		}
		undecided = slices.DeleteFunc(undecided, func(x string) bool { return !slices.Contains(now, x) })
		if len(undecided) > 0 && time.Now().After(end) {
			return "an XA transaction stays prepared (XA RECOVER)", nil
		}
		if err := ctx.Err(); err != nil {
			return "", context.Cause(ctx)
		}
	}
	for end := time.Now().Add(30 * time.Second); ; {
		seen, err := table.SnapshotPosition(ctx, s)
		if err != nil {
			return "", err
		}
		if !seen.Before(p) {
			break
		}
		if time.Now().After(end) {
			return "", errInvisible
		}
		if err := ctx.Err(); err != nil {
			return "", context.Cause(ctx)
		}
	}
	return "", b.writeFeed(ctx, s, m, p)
}

// undecidedLimit is how long planning waits for prepared XA transactions.
const undecidedLimit = 5 * time.Second

// prepared lists the prepared XA transactions.
func prepared(ctx context.Context, s *table.Session) ([]string, error) {
	rows, err := s.QueryContext(ctx, "XA RECOVER")
	if err != nil {
		return nil, fmt.Errorf("look for prepared transactions: %w", err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var format, gtrid, bqual, data string
		if err := rows.Scan(&format, &gtrid, &bqual, &data); err != nil {
			return nil, err
		}
		all = append(all, format+" "+gtrid+" "+data)
	}
	return all, rows.Err()
}

func (b *Backfill) writeFeed(ctx context.Context, s *table.Session, m dxf.BackfillMeta, p table.BinlogPosition) error {
	tx, err := s.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	err = b.store.StartFeed(ctx, tx, dxf.Feed{
		JobID: m.JobID, Schema: m.Schema, Table: m.Table, Shadow: m.Shadow, Mode: dxf.FeedMerge, File: p.File, Pos: p.Pos,
	})
	if err != nil {
		return fmt.Errorf("start the changefeed: %w", err)
	}
	return tx.Commit()
}

// OnDone removes the feed, the shadow, the sentry and the old table. Whether
// the task's effect is in place is decided by names.
func (b *Backfill) OnDone(ctx context.Context, t dxf.Task) (won bool, err error) {
	m, err := metaOf(t)
	if err != nil {
		return false, err
	}
	s, err := b.session(ctx, m.JobID)
	if err != nil {
		return false, err
	}
	defer s.Close()
	tx, err := s.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if err := b.store.DropFeed(ctx, tx, m.JobID); err != nil {
		return false, fmt.Errorf("stop the changefeed: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return false, fmt.Errorf("stop the changefeed: %w", err)
	}
	if t.Step == dxf.StepNative {
		return b.reached(ctx, s, m)
	}
	if m.Shadow == "" { // planning did not come to an end
		if m.Shadow, err = table.ShadowName(m.Table, m.JobID); err != nil {
			return false, nil // and cannot have made any
		}
		if m.Old, err = table.OldName(m.Table, m.JobID); err != nil {
			return false, nil
		}
	}
	names, err := table.LoadNames(ctx, s, m.Schema, m.Shadow, m.Old, m.JobID)
	if err != nil {
		return false, err
	}
	switch {
	case names.Shadow && t.Step == dxf.StepInit:
		// Not written down as ours: only an empty one can be.
		var n int
		if err := s.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+table.Quote(m.Schema, m.Shadow)+" LIMIT 1) AS x").Scan(&n); err != nil || n > 0 {
			return false, err
		}
		return false, drop(ctx, s, m.Schema, m.Shadow)
	case names.Shadow:
		if names.Sentry {
			if err := drop(ctx, s, m.Schema, m.Old); err != nil {
				return false, err
			}
		}
		return false, drop(ctx, s, m.Schema, m.Shadow)
	case names.Old && t.Step != dxf.StepInit:
		return true, drop(ctx, s, m.Schema, m.Old)
	case names.Sentry:
		return false, drop(ctx, s, m.Schema, m.Old)
	case t.Step == dxf.StepCutover || t.Step == dxf.StepDone:
		return b.reached(ctx, s, m) // all was removed before
	}
	return false, nil
}

// reached says whether the table is what the statement makes of it.
func (b *Backfill) reached(ctx context.Context, s *table.Session, m dxf.BackfillMeta) (bool, error) {
	if m.Target == "" {
		return false, nil
	}
	text, err := table.ShowCreate(ctx, s, m.Schema, m.Table)
	if errors.Is(err, table.ErrNoTable) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now, err := table.Parse(text)
	if err != nil {
		return false, err
	}
	target, err := table.Parse(m.Target)
	if err != nil {
		return false, err
	}
	if m.Fingerprint != "" && strings.EqualFold(m.Fingerprint, table.Fingerprint(text)) {
		return false, nil // untouched, whatever the target
	}
	return table.Same(now, target), nil
}
