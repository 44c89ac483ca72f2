package dxf

import (
	"strconv"
	"strings"
	"time"
)

// JobState is STATE of ADMIN SHOW DDL JOBS.
type JobState string

// Job states.
const (
	JobQueueing     JobState = "queueing"
	JobRunning      JobState = "running"
	JobRollingback  JobState = "rollingback"
	JobRollbackDone JobState = "rollback done"
	JobDone         JobState = "done"
	JobCancelling   JobState = "cancelling"
	JobCancelled    JobState = "cancelled"
	JobSynced       JobState = "synced"
	JobPausing      JobState = "pausing"
	JobPaused       JobState = "paused"
)

// SchemaState is SCHEMA_STATE of ADMIN SHOW DDL JOBS.
type SchemaState string

// Schema states of an index being added: of TiDB's five those that a copy has.
const (
	SchemaNone   SchemaState = "none"
	SchemaReorg  SchemaState = "write reorganization"
	SchemaPublic SchemaState = "public"
)

// A Job is what the user sees in ADMIN SHOW DDL JOBS: a row of tidb_ddl_job
// while it is unfinished and of tidb_ddl_history afterwards. Its JSON is the
// column job_meta.
type Job struct {
	ID          int64       `json:"id"`
	Type        string      `json:"type"` // JOB_TYPE: add index, …
	Action      int         `json:"action"`
	Schema      string      `json:"schema_name"`
	Table       string      `json:"table_name"`
	SchemaID    int64       `json:"schema_id"`
	TableID     int64       `json:"table_id"`
	State       JobState    `json:"state"`
	SchemaState SchemaState `json:"schema_state"`
	RowCount    int64       `json:"row_count"`
	Affected    int64       `json:"affected,omitempty"` // what the client is told, see Summary
	Query       string      `json:"query"`              // as the client wrote it, for people
	Indexes     []string    `json:"indexes,omitempty"`  // names of those it adds, "" for one that the store names
	CreateTime  time.Time   `json:"create_time"`
	StartTime   time.Time   `json:"start_time"`
	EndTime     time.Time   `json:"end_time"`
	Reorg       *Reorg      `json:"reorg_meta,omitempty"` // nil: the job cannot reorganise
	Error       *Error      `json:"error,omitempty"`
	Note        *Error      `json:"note,omitempty"`    // Note for the client: why it ran another way
	Waiting     string      `json:"waiting,omitempty"` // for people: what it waits for
	SubJobs     []SubJob    `json:"sub_jobs,omitempty"`
	User        string      `json:"user,omitempty"`    // CURRENT_USER() of the client
	ConnID      uint32      `json:"conn_id,omitempty"` // the client's connection
	// Unawaited: no job was unfinished after this had ended. It may have got its id after
	// jobs that came later.
	Unawaited bool `json:"unawaited,omitempty"`
}

// SubJob is one change of a multi-change ALTER.
type SubJob struct {
	Type        string      `json:"type"`
	SchemaState SchemaState `json:"schema_state"`
	RowCount    int64       `json:"row_count"`
	State       JobState    `json:"state"`
	Reorg       bool        `json:"reorg"`
}

// Reorg is what a job that may rewrite rows remembers of the settings at the
// time it was submitted.
type Reorg struct {
	Ingest        bool   `json:"is_fast_reorg"`
	Dist          bool   `json:"is_dist_reorg"`
	Thread        int    `json:"thread"`
	BatchSize     int    `json:"batch_size"`
	MaxWriteSpeed int64  `json:"max_write_speed"`
	Scope         string `json:"target_scope"`
	MaxNodeCount  int    `json:"max_node_count"`
}

// What tidb_ddl_reorg_worker_cnt and tidb_ddl_reorg_batch_size are by default. A job
// that has these does not say so in its COMMENTS.
const (
	DefaultThread    = 4
	DefaultBatchSize = 256
)

// Comments is COMMENTS of ADMIN SHOW DDL JOBS: TiDB's parts in TiDB's order,
// then, in ours, what an unfinished job waits for.
func (j Job) Comments() string {
	var parts []string
	if r := j.Reorg; r != nil {
		if r.Ingest {
			parts = append(parts, "ingest")
			if r.Dist {
				parts = append(parts, "DXF")
			}
		} else {
			parts = append(parts, "txn")
		}
		if r.Thread != DefaultThread {
			parts = append(parts, "thread="+strconv.Itoa(r.Thread))
		}
		if r.BatchSize != DefaultBatchSize {
			parts = append(parts, "batch_size="+strconv.Itoa(r.BatchSize))
		}
		if r.MaxWriteSpeed != 0 {
			parts = append(parts, "max_write_speed="+strconv.FormatInt(r.MaxWriteSpeed, 10))
		}
		if r.Scope != "" {
			parts = append(parts, "service_scope="+r.Scope)
		}
		if r.MaxNodeCount != 0 {
			parts = append(parts, "max_node_count="+strconv.Itoa(r.MaxNodeCount))
		}
	}
	if j.Waiting != "" && !j.State.Ended() {
		parts = append(parts, j.Waiting)
	}
	return strings.Join(parts, ", ")
}

// Ended says whether the job is over.
func (s JobState) Ended() bool {
	switch s {
	case JobSynced, JobCancelled, JobRollbackDone, JobDone:
		return true
	}
	return false
}
