package backfill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// beside is how long after DDL that a node has let a client's session run its row may be missing
// in the history: it is written beside the client.
const beside = 500 * time.Millisecond

// knownTable ends a job whose table is another one than when it was submitted:
// dropped and made again, or renamed into the place of one that was renamed away.
// A table that was rebuilt by DDL through a node, as by a job ahead of this one,
// is the same; the history knows. It returns the table's identity as it is now.
func (p *Planner) knownTable(ctx context.Context, q server.Querier, m Meta) (string, error) {
	id, err := table.Identity(ctx, q, m.Schema, m.Table)
	if err != nil || m.TableID == "" || id == m.TableID {
		return id, err
	}
	same, err := p.soonTold(ctx, m)
	if err == nil && !same {
		err = dxf.SchemaChanged("another table has come to the name")
	}
	if err != nil {
		return "", err
	}
	return id, nil
}

// soonTold is told once more after a while, if it is not told at once.
func (p *Planner) soonTold(ctx context.Context, m Meta) (bool, error) {
	same, err := p.told(ctx, m)
	if same || err != nil {
		return same, err
	}
	if err := dxf.Sleep(ctx, beside); err != nil {
		return false, err
	}
	return p.told(ctx, m)
}

// told says whether the history, or that of imports, tells what gave the job's table another
// identity.
func (p *Planner) told(ctx context.Context, m Meta) (bool, error) {
	job, err := p.store.Job(ctx, m.JobID)
	if err != nil {
		return false, fmt.Errorf("ask when job %d was made: %w", m.JobID, err)
	}
	since, err := p.store.History(ctx, recentJobs)
	if err != nil {
		return false, fmt.Errorf("ask what was done to %s.%s: %w", m.Schema, m.Table, err)
	}
	if rebuilt(since, job, m.Schema, m.Table) {
		return true, nil
	}
	imports, err := p.store.ImportJobs(ctx)
	if err != nil {
		return false, fmt.Errorf("ask what was imported into %s.%s: %w", m.Schema, m.Table, err)
	}
	return filled(imports, job.CreateTime, m.Schema, m.Table), nil
}

// filled says whether an import that ended since then has put the table that it
// loaded in the place of the empty one.
func filled(imports []dxf.ImportJob, since time.Time, schema, name string) bool {
	return slices.ContainsFunc(imports, func(j dxf.ImportJob) bool {
		return j.Status == dxf.ImportFinished && !j.EndTime.Before(since.Truncate(time.Second)) &&
			strings.EqualFold(j.Schema, schema) && strings.EqualFold(j.Table, name)
	})
}

// recentJobs is how far back the history is looked through for DDL that ended
// while a job waited for its turn.
const recentJobs = 1000

// rebuilt says whether DDL of the history that ended since a job was made has rebuilt the
// table, and none has put another in its place.
func rebuilt(history []dxf.Job, job dxf.Job, schema, name string) bool {
	since := job.CreateTime
	found := false
	for _, j := range history {
		// The creation time has microseconds, that of an end may have fewer.
		if j.EndTime.Before(since.Truncate(time.Second)) || !strings.EqualFold(j.Schema, schema) ||
			j.State != dxf.JobSynced && j.State != dxf.JobDone {
			continue
		}
		switch {
		case (j.ID < job.ID || j.Unawaited) && j.Reorg == nil && j.EndTime.Before(since):
			// It was done before the job was made, and its end has microseconds: what it has put there
			// is what the job is about.
		case strings.HasSuffix(j.Type, "schema"), strings.HasPrefix(j.Type, "rename table"), j.Type == "drop table", j.Type == "create table":
			for n := range strings.SplitSeq(j.Table, ",") {
				if n == "" || strings.EqualFold(n, name) {
					return false
				}
			}
		case strings.EqualFold(j.Table, name):
			found = true
		}
	}
	return found
}
