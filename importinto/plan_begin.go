package importinto

import (
	"context"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/executor"
	"dxfproxy/server"
	"dxfproxy/source"
	"dxfproxy/table"
)

// begin makes the staging table and splits the files into pieces. It all happens on one session
// that holds the job's locks: a former owner who is frozen half-way can do nothing more when
// it wakes up, because the next owner got the locks when that session had ended.
func (p *Planner) begin(ctx context.Context, m Meta, files []source.Piece, nodes int) (dxf.Plan, error) {
	m.Size = 0
	for _, f := range files {
		m.Size += f.Size
	}
	if m.Size == 0 {
		return dxf.Plan{}, errNoFile()
	}
	s, err := p.LockedSession(ctx, table.ImportLock(m.JobID), "planning", 0)
	if err != nil {
		return dxf.Plan{}, err
	}
	defer s.Close()
	if err := p.sweep(ctx, s, m); err != nil {
		return dxf.Plan{}, err
	}
	if m.Processors, err = server.Processors(ctx, p.DB); err != nil {
		return dxf.Plan{}, err
	}
	info, err := p.loadTable(ctx, s, m)
	if err != nil {
		return dxf.Plan{}, err
	}
	m.Fingerprint = info.Fingerprint
	if m.Staging, err = table.StagingName(m.Table, p.Secret.Job(m.JobID)); err != nil {
		return dxf.Plan{}, dxf.Errorf("name the staging table: %s", err)
	}
	if m.Old, err = table.ImportOldName(m.Table, p.Secret.Job(m.JobID)); err != nil {
		return dxf.Plan{}, dxf.Errorf("name the staging table: %s", err)
	}
	if why := whyDirect(info, s.Family); why != "" {
		m.Direct = true
		note := fmt.Sprintf("%s; %s, so the rows go into the table in one transaction", m.Note, why)
		m.Note = dxf.Note(strings.TrimPrefix(note, "; "))
		p.Log.Info("import goes straight into the table", zap.Int64("import", m.JobID), zap.String("reason", why))
	}
	if m.Indexes, err = p.makeStaging(ctx, s, info, m.Staging); err == nil {
		m.Uncounted, err = p.makeUncounted(ctx, s, m)
	}
	if err == nil && info.AutoIncrement > 1 { // after the exchange that was tried on it
		_, err = s.ExecContext(ctx, table.CountFrom(m.Schema, m.Staging, info.AutoIncrement))
		err = server.ClientError(err, m.Table)
	}
	if err != nil {
		_ = p.sweep(ctx, s, m) // else next time
		return dxf.Plan{}, err
	}
	p.Log.Info("staging table made", zap.Int64("import", m.JobID), zap.String("table", m.Schema+"."+m.Table), zap.String("staging", m.Staging),
		zap.Strings("indexes", m.Indexes), zap.Int("files", len(files)), zap.Int64("bytes", m.Size))
	return planPieces(m, splitFiles(files, m.SplitFile && m.Format == "csv", nodes))
}

// whyDirect says why the staging table cannot take the table's name; "" when it can.
func whyDirect(info *table.Info, family server.Family) string {
	switch {
	case len(info.Triggers) > 0:
		return "the table has trigger " + info.Triggers[0]
	case len(info.Parents) > 0:
		return "the table has foreign key " + info.Parents[0].Name
	case len(info.Children) > 0:
		return fmt.Sprintf("foreign key %s of %s.%s refers to the table", info.Children[0].Name, info.Children[0].Schema, info.Children[0].Table)
	case info.Versioned:
		return "the table is system-versioned"
	case !strings.EqualFold(info.Engine, "InnoDB"):
		return "the table's storage engine is " + info.Engine
	}
	if family == server.MySQL && hasCheck(info.Create) {
		return "the table has a CHECK constraint, whose name is unique in the schema"
	}
	return ""
}

func hasCheck(create string) bool {
	d, err := table.Parse(create)
	for _, l := range d.Constraints {
		if l.Kind == table.CheckLine {
			return true
		}
	}
	return err != nil
}

// makeStaging creates a table like the target without the indexes that are built
// afterwards, which are returned as lines of SHOW CREATE TABLE.
func (p *Planner) makeStaging(ctx context.Context, s *server.Session, info *table.Info, name string) ([]string, error) {
	run := func(doing, statement string) error {
		if _, err := s.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", doing, server.ClientError(err, info.Name))
		}
		return nil
	}
	_, err := s.ExecContext(ctx, table.CreateLike(info, name))
	if server.IsErr(err, server.ErrTableExists) {
		return nil, executor.InTheWay(name) // one that sweep could not take for ours
	}
	if err != nil {
		return nil, fmt.Errorf("create the staging table: %w", server.ClientError(err, info.Name))
	}
	staging := server.Quote(info.Schema, name)
	if info.Versioned {
		if err := run("keep no versions in the staging table", "ALTER TABLE "+staging+" DROP SYSTEM VERSIONING"); err != nil {
			return nil, err
		}
	}
	if !strings.EqualFold(info.Engine, "InnoDB") {
		if err := run("give the staging table transactions", "ALTER TABLE "+staging+" ENGINE = InnoDB"); err != nil {
			return nil, err
		}
	}
	text, err := table.ShowCreate(ctx, s, info.Schema, name)
	if err != nil {
		return nil, err
	}
	d, err := table.Parse(text)
	if err != nil {
		return nil, err
	}
	key := info.CopyKey // what the rows are stored by, if there is no primary key
	if key == nil {
		key = &table.Key{Name: "PRIMARY"}
	}
	_, build, ok := table.Indexes(d, d, key, info.AutoIncrementColumn())
	if !ok {
		build = nil // loaded with all its indexes then
	}
	if statement := table.DropIndexes(info.Schema, name, build); statement != "" {
		if err := run("take the indexes off the staging table", statement); err != nil {
			return nil, err
		}
	}
	return table.Texts(build), nil
}
