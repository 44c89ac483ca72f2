package dxf

import "time"

// ImportStatus is Status of SHOW IMPORT JOBS.
type ImportStatus string

// Import statuses, spelled as TiDB spells them ("cancelled" with two l).
const (
	ImportPending   ImportStatus = "pending"
	ImportRunning   ImportStatus = "running"
	ImportFinished  ImportStatus = "finished"
	ImportFailed    ImportStatus = "failed"
	ImportCancelled ImportStatus = "cancelled"
)

// Ended says whether the job is over.
func (s ImportStatus) Ended() bool {
	return s == ImportFinished || s == ImportFailed || s == ImportCancelled
}

// ImportPhase is Phase of SHOW IMPORT JOBS; "" before and after.
type ImportPhase string

// Import phases, TiDB's.
const (
	PhaseImporting  ImportPhase = "importing"
	PhaseValidating ImportPhase = "validating"
)

// An ImportJob is what the user sees in SHOW IMPORT JOBS: a row of
// tidb_import_jobs. Its id is not from the id space of DDL jobs.
type ImportJob struct {
	ID         int64
	CreateTime time.Time
	StartTime  time.Time // zero while pending
	UpdateTime time.Time
	EndTime    time.Time // zero while unfinished, and of a cancelled job
	Schema     string
	Table      string
	TableID    int64
	CreatedBy  string // user@host as authenticated
	Parameters ImportParameters
	SourceSize int64 // bytes
	Status     ImportStatus
	Phase      ImportPhase
	// Rows imported: of an unfinished job those so far, of its import step.
	Rows  int64
	Error *Error // nil while there is none; "cancelled by user" of a cancelled job
	// Waiting says, for people, what an unfinished job waits for.
	Waiting string
	// Progress of an unfinished job, for people; nil otherwise.
	Progress *Progress
	// ConnID is the connection of the client that waits for the job; 0 when it
	// is detached.
	ConnID uint32
}

// ImportParameters is the column parameters, JSON in TiDB's shape. Secrets are
// masked in it.
type ImportParameters struct {
	ColumnsAndVars string         `json:"columns-and-vars,omitempty"`
	SetClause      string         `json:"set-clause,omitempty"`
	FileLocation   string         `json:"file-location"`
	Format         string         `json:"format"`
	Options        map[string]any `json:"options,omitempty"` // those typed
}
