package sqlhandler

import (
	"context"

	"dxfproxy/dxf"
)

// Store is what statements need of the store. Each part is what one group of statements asks.
type Store interface {
	Jobs
	Imports
	Nodes
	Variables
}

// Jobs is what DDL, and the ADMIN statements about it, ask.
type Jobs interface {
	// Submit makes the job row (queueing) and the task row (pending) in one
	// transaction and returns the job's id.
	Submit(ctx context.Context, j dxf.Job, t dxf.NewTask) (int64, error)
	// Record adds ended jobs to the history: DDL that ran on the client's own
	// session. They get ids in their order, and the last one's is returned.
	Record(ctx context.Context, jobs ...dxf.Job) (int64, error)
	// Job finds a job, unfinished or in the history, with its row count as of
	// now. dxf.ErrNotFound.
	Job(ctx context.Context, id int64) (dxf.Job, error)
	// HasUnfinishedJobs says whether UnfinishedJobs would list any.
	HasUnfinishedJobs(ctx context.Context) (bool, error)
	// UnfinishedJobs lists unfinished jobs by id, row counts as of now.
	UnfinishedJobs(ctx context.Context) ([]dxf.Job, error)
	// History lists the newest n ended jobs, newest first.
	History(ctx context.Context, n int) ([]dxf.Job, error)
	// UserHistory lists the newest n ended jobs of an account, newest first.
	UserHistory(ctx context.Context, user string, n int) ([]dxf.Job, error)
	// JobProgress tells how far an unfinished job is.
	JobProgress(ctx context.Context, jobID int64) (dxf.Progress, error)
	// CancelJob asks for a job's cancellation. A *dxf.Error (8224, 8225, 8226)
	// says why it cannot be.
	CancelJob(ctx context.Context, id int64) error
	PauseJob(ctx context.Context, id int64) error
	// ResumeJob lets a paused job go on; dxf.ErrTaskChanged: it is just coming to
	// its pause, or getting other parameters.
	ResumeJob(ctx context.Context, id int64) error
	// AlterJob asks for other parameters of a job. A *dxf.Error (8224, 1105) says
	// why it gets none; dxf.ErrTaskChanged, that it is just getting others, or
	// coming to a pause.
	AlterJob(ctx context.Context, id int64, mods []dxf.Modification) error
}

// Imports is what IMPORT INTO, and the statements about imports, ask.
type Imports interface {
	// SubmitImport makes the job row (pending) and the task row (pending) of an
	// import in one transaction and returns the job's id. A *dxf.Error (8173)
	// says that a job on the table is unfinished; of two that come at once one
	// is refused.
	SubmitImport(ctx context.Context, j dxf.ImportJob, t dxf.NewTask) (int64, error)
	// ImportActive says whether an import job on the table is unfinished.
	ImportActive(ctx context.Context, schema, table string) (bool, error)
	// ImportJob finds an import job; of an unfinished one with Rows and Progress
	// as of now. dxf.ErrNotFound.
	ImportJob(ctx context.Context, id int64) (dxf.ImportJob, error)
	// ImportJobs lists all import jobs by id, as ImportJob does; UserImports those of an
	// account.
	ImportJobs(ctx context.Context) ([]dxf.ImportJob, error)
	UserImports(ctx context.Context, user string) ([]dxf.ImportJob, error)
	// CancelImport asks for an import job's cancellation. A *dxf.Error (8170,
	// 8171) says why it cannot be.
	CancelImport(ctx context.Context, id int64) error
	// PauseImport asks an import job to halt until ResumeImport asks it to go on.
	// A *dxf.Error (8170, 8171, 8261, 8262) says why it cannot.
	PauseImport(ctx context.Context, id int64) error
	ResumeImport(ctx context.Context, id int64) error
}

// Nodes is what statements ask of the nodes.
type Nodes interface {
	// Owner returns the present owner; the zero Term when there is none.
	Owner(ctx context.Context) (dxf.Term, error)
	// Nodes lists the live nodes.
	Nodes(ctx context.Context) ([]dxf.Node, error)
	// SetRole writes a node's service scope.
	SetRole(ctx context.Context, nodeID, role string) error
}

// Variables are the global variables.
type Variables interface {
	// GlobalVars returns the global values that were set (others have their
	// defaults); SetGlobalVar stores one, normalised.
	GlobalVars(ctx context.Context) (map[string]string, error)
	SetGlobalVar(ctx context.Context, name, value string) error
}
