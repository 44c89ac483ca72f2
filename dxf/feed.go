package dxf

import "time"

// FeedMode is how the applier of a changefeed works.
type FeedMode string

// Feed modes. The applier itself moves running modes to paused and sealed,
// when it meets the marker that asks for it; workers move them back.
const (
	FeedMerge  FeedMode = "merge"  // while rows are copied: REPLACE and DELETE, safe to repeat
	FeedPaused FeedMode = "paused" // stands at a commit boundary: the indexes are being built
	FeedStrict FeedMode = "strict" // every change must hit exactly the row it names
	FeedSealed FeedMode = "sealed" // stopped for good at the cut-over's marker
	FeedFailed FeedMode = "failed" // Error says why; the job fails
)

// MarkerKind is what a marker asks of the applier that meets it in the binlog.
type MarkerKind string

// Marker kinds. Every marker is acknowledged in the transaction that applies
// the last change before it.
const (
	MarkSync  MarkerKind = "sync"  // acknowledge only
	MarkPause MarkerKind = "pause" // and stand still in FeedPaused
	MarkSeal  MarkerKind = "seal"  // and stop in FeedSealed
)

// A Feed keeps the shadow of one job in step with its table: a row of changefeed.
type Feed struct {
	JobID   int64
	Schema  string
	Table   string
	Shadow  string
	Mode    FeedMode
	ExecID  string // the node that applies
	Epoch   int64
	Expires time.Time
	// Server is whose binlog the position is in (server.Identity); "" is not known.
	Server string
	File   string // binlog position up to which everything is applied
	Pos    uint32
	// FileMark tells the file from another one that came to have its name; "" is not
	// known yet.
	FileMark string
	// WindowFile and WindowPos are where a window ends any part of which may be
	// in the shadow; "" and 0 as a rule.
	WindowFile string
	WindowPos  uint32
	Applied    int64     // row changes applied so far
	LagAt      time.Time // store time of the last applied window
	Error      *Error
}
