package importinto

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/table"
)

// publish puts the rows into the table: by an exchange of names, or, where the
// tables cannot be exchanged, in one transaction. Readers see no row, or all.
func (r *run) publish(ctx context.Context) error {
	if r.meta.Direct {
		return r.publishDirect(ctx)
	}
	err := r.ExchangeNames(ctx, executor.Exchange{
		New: r.meta.Staging, Old: r.meta.Old, Fingerprint: r.meta.Fingerprint, TableID: r.meta.TableID,
		Lock: table.ImportLock(r.meta.JobID), Mark: table.ImportMark(r.meta.JobID), Name: "publish",
		Gates: r.gates, Recheck: r.stillEmpty,
	})
	if err != nil {
		return err
	}
	r.Summary.RowCount = r.meta.Rows
	// It has happened: a pause or a cancellation that comes now is too late.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return r.saveAlone(ctx, published{Published: true})
}

// errNotEmpty: somebody wrote into the table meanwhile, and keeps what they wrote.
func errNotEmpty() *dxf.Error {
	return &dxf.Error{Code: 8173, State: "HY000", Class: "executor", Message: "PreCheck failed: target table is not empty"}
}

// gates: the staging table must be what the table is, but for its rows, and the
// table must still be one that can be exchanged.
func (r *run) gates(ctx context.Context, s *executor.Attempt) (why string, err error) {
	if err := s.Exchangeable(ctx); err != nil {
		return "", err
	}
	if err := s.SameDefinition(ctx); err != nil {
		return "", err
	}
	if err := r.sameAsTarget(ctx, s.Locker); err != nil {
		return "", err
	}
	if err := r.empty(ctx, s.Locker); err != nil {
		return "", err
	}
	return s.Settled(ctx)
}

func (r *run) sameAsTarget(ctx context.Context, q server.Querier) error {
	var d [2]table.Definition
	for i, name := range []string{r.meta.Table, r.meta.Staging} {
		text, err := table.ShowCreate(ctx, q, r.meta.Schema, name)
		if err != nil {
			return err
		}
		if d[i], err = table.Parse(text); err != nil {
			return err
		}
	}
	if !table.Same(d[0], d[1]) {
		return dxf.SchemaChanged("")
	}
	return nil
}

// empty is asked before, and once more while the table is locked.
func (r *run) empty(ctx context.Context, q server.Querier) error {
	ok, err := table.Empty(ctx, q, r.meta.Schema, r.meta.Table)
	if err == nil && !ok {
		return errNotEmpty()
	}
	return err
}

func (r *run) stillEmpty(ctx context.Context, s *executor.Attempt) error {
	return r.empty(ctx, s.Locker)
}

// publishDirect copies the rows into the table. The lock on the end of an empty
// table keeps others from writing into it until the commit, and the checkpoint
// tells afterwards that it took place.
func (r *run) publishDirect(ctx context.Context) error {
	var p published
	if err := r.Subtask.ReadCheckpoint(&p); err != nil {
		return err
	}
	if p.Published {
		return nil
	}
	s, err := r.LockedSession(ctx, table.ImportLock(r.meta.JobID).Name(),
		"SET SESSION foreign_key_checks = 0", "SET SESSION check_constraint_checks = 0")
	if err != nil {
		return err
	}
	defer s.Close()
	text, err := table.ShowCreate(ctx, s, r.meta.Schema, r.meta.Table)
	if errors.Is(err, table.ErrNoTable) {
		return dxf.NoSuchTable(r.meta.Schema, r.meta.Table)
	}
	if err != nil {
		return err
	}
	if r.meta.Fingerprint != "" && table.Fingerprint(text) != r.meta.Fingerprint {
		return dxf.SchemaChanged("")
	}
	if err := r.SameTable(ctx, s, r.meta.TableID); err != nil {
		return err
	}
	target, err := table.Load(ctx, s, r.meta.Schema, r.meta.Table)
	if err != nil {
		return err
	}
	staging, err := r.staging(ctx, s)
	if err != nil {
		return err
	}
	tx, err := s.BeginTx(context.WithoutCancel(ctx), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return fmt.Errorf("begin to publish: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	var one int
	switch err := tx.QueryRowContext(ctx, "SELECT 1 FROM "+target.Quoted()+table.OnlyTable+" LIMIT 1 FOR UPDATE").Scan(&one); {
	case err == nil:
		return errNotEmpty()
	case !errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("look whether the table is empty: %w", err)
	}
	var names []string
	for _, c := range table.Common(target, staging) {
		names = append(names, server.Quote(c.Name))
	}
	list := strings.Join(names, ", ")
	statement := "INSERT INTO " + target.Quoted() + " (" + list + ") SELECT " + list + " FROM " + staging.Quoted() + table.OnlyTable
	_, err = r.RunLong(ctx, s, tx, statement, func(server.Process) {})
	if err != nil {
		return server.StatementError(err, r.meta.Table)
	}
	done, err := json.Marshal(published{Published: true})
	if err != nil {
		return err
	}
	r.Summary.RowCount = r.meta.Rows
	if err := r.Leases.SaveCheckpoint(ctx, tx, r.Subtask.Lease(), done, r.Summary); err != nil {
		return fmt.Errorf("save the checkpoint: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}
