package dxf

import "strconv"

// JobKind says in which table a job's row is, and so by which statements a user sees and
// changes it.
type JobKind string

// Kinds of jobs; "" is none.
const (
	JobDDL    JobKind = "job"    // tidb_ddl_job: ADMIN … DDL JOBS
	JobImport JobKind = "import" // tidb_import_jobs: SHOW IMPORT JOBS
)

// A JobRef names a job. Each kind has numbers of its own.
type JobRef struct {
	Kind JobKind
	ID   int64
}

// DDLRef and ImportRef name jobs of these kinds.
func DDLRef(id int64) JobRef    { return JobRef{JobDDL, id} }
func ImportRef(id int64) JobRef { return JobRef{JobImport, id} }

// String names the job for people: "job 3", "import job 3".
func (r JobRef) String() string {
	words := "job "
	if r.Kind == JobImport {
		words = "import job "
	}
	return words + strconv.FormatInt(r.ID, 10)
}

// A JobRow is a job's row as a move of its task changes it: a *Job or an *ImportJob, by
// the kind of the job.
type JobRow interface {
	// Wait sets what the job waits for.
	Wait(waiting string)
	// LeaveNote notes what clean-up has left behind, where the row has a place for
	// it and holds no other note.
	LeaveNote(e *Error)
}

// Wait sets what the job waits for.
func (j *Job) Wait(waiting string) { j.Waiting = waiting }

// LeaveNote notes e unless there is another note.
func (j *Job) LeaveNote(e *Error) {
	if j.Note == nil {
		j.Note = e
	}
}

// Wait sets what the job waits for.
func (j *ImportJob) Wait(waiting string) { j.Waiting = waiting }

// LeaveNote does nothing: an import's row has no place for it.
func (j *ImportJob) LeaveNote(*Error) {}

// OnJob is a change of a DDL job's row as one of any row.
func OnJob(change func(*Job)) func(JobRow) {
	return func(r JobRow) {
		if j, ok := r.(*Job); ok {
			change(j)
		}
	}
}

// OnImport is a change of an import job's row as one of any row.
func OnImport(change func(*ImportJob)) func(JobRow) {
	return func(r JobRow) {
		if j, ok := r.(*ImportJob); ok {
			change(j)
		}
	}
}
