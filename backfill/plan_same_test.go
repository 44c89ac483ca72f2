package backfill

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// TestRebuilt: DDL through a node may give a table another identity while a job waits;
// whatever puts another table in its place ends the job.
func TestRebuilt(t *testing.T) {
	since := time.Date(2026, 1, 1, 0, 0, 0, 500, time.UTC)
	job := func(typ, table string, after time.Duration) dxf.Job {
		return dxf.Job{ID: 8, Type: typ, Schema: "S", Table: table, State: dxf.JobSynced, EndTime: since.Add(after)}
	}
	made := job("create table", "t", -300)
	made.ID = 6
	late := made
	late.ID = 8
	beside := late
	beside.Unawaited = true
	failed := job("add index", "t", time.Minute)
	failed.State = dxf.JobRollbackDone
	for name, c := range map[string]struct {
		history []dxf.Job
		want    bool
	}{
		"nothing":               {},
		"an index":              {[]dxf.Job{job("add index", "T", time.Minute)}, true},
		"in the same second":    {[]dxf.Job{job("alter table", "t", -300)}, true},
		"before":                {[]dxf.Job{job("add index", "t", -time.Minute)}, false},
		"that failed":           {[]dxf.Job{failed}, false},
		"another table's":       {[]dxf.Job{job("add index", "u", time.Minute)}, false},
		"emptied":               {[]dxf.Job{job("truncate table", "t", time.Minute)}, true},
		"dropped":               {[]dxf.Job{job("create table", "t", time.Hour), job("drop table", "t", time.Minute), job("add index", "t", time.Second)}, false},
		"one of several":        {[]dxf.Job{job("add index", "t", time.Hour), job("drop table", "a,T", time.Minute)}, false},
		"renamed":               {[]dxf.Job{job("add index", "t", time.Hour), job("rename tables", "t,u", time.Minute)}, false},
		"its schema was":        {[]dxf.Job{job("add index", "t", time.Hour), job("drop schema", "", time.Minute)}, false},
		"made just before":      {[]dxf.Job{job("add index", "t", time.Minute), made}, true},
		"recorded afterwards":   {[]dxf.Job{job("add index", "t", time.Minute), late}, false},
		"recorded beside":       {[]dxf.Job{job("add index", "t", time.Minute), beside}, true},
		"another table dropped": {[]dxf.Job{job("add index", "t", time.Hour), job("drop table", "u", time.Minute)}, true},
	} {
		require.Equal(t, c.want, rebuilt(c.history, dxf.Job{ID: 7, CreateTime: since}, "s", "t"), name)
	}
	imported := dxf.ImportJob{Schema: "s", Table: "t", Status: dxf.ImportFinished, EndTime: since.Add(time.Second)}
	require.True(t, filled([]dxf.ImportJob{imported}, since, "s", "T"))
	require.False(t, filled([]dxf.ImportJob{imported}, since.Add(time.Hour), "s", "t"))
	imported.Status = dxf.ImportFailed
	require.False(t, filled([]dxf.ImportJob{imported}, since, "s", "t"))
}

// besideHistory is a history that tells of a change only when it is asked again.
type besideHistory struct {
	PlannerStore
	asked int
	late  dxf.Job
}

func (*besideHistory) Job(context.Context, int64) (dxf.Job, error) { return dxf.Job{ID: 7}, nil }

func (*besideHistory) ImportJobs(context.Context) ([]dxf.ImportJob, error) { return nil, nil }

func (b *besideHistory) History(context.Context, int) ([]dxf.Job, error) {
	if b.asked++; b.asked == 1 {
		return nil, nil
	}
	return []dxf.Job{b.late}, nil
}

// TestToldBeside: a row of the history that is written beside the client is waited for, before
// a job is ended for the lack of it.
func TestToldBeside(t *testing.T) {
	for typ, want := range map[string]bool{"truncate table": true, "drop table": false} {
		synctest.Test(t, func(t *testing.T) {
			late := dxf.Job{ID: 8, Type: typ, Schema: "s", Table: "t", State: dxf.JobSynced, EndTime: time.Now()}
			p := &Planner{store: &besideHistory{late: late}}
			same, err := p.soonTold(t.Context(), Meta{MetaHead: dxf.MetaHead{JobID: 7, Schema: "s", Table: "t"}})
			require.NoError(t, err)
			require.Equal(t, want, same, typ)
		})
	}
}
