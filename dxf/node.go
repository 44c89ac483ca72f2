package dxf

import "time"

// Numbers of the leases. All are judged by the store's clock. A lost owner is
// replaced after at most OwnerLease plus one campaign; a lost node's subtasks
// move after at most NodeLease plus one tick of the dispatcher.
const (
	OwnerLease    = 10 * time.Second
	NodeLease     = 10 * time.Second
	SubtaskLease  = 10 * time.Second
	FeedLease     = 10 * time.Second
	RenewInterval = 3 * time.Second
)

// A Node is one dxfproxy process: a row of dist_framework_meta.
type Node struct {
	ID       string // host:port of its listener
	Role     string // tidb_service_scope
	CPUCount int    // its slots
	UUID     string // new at every start; OWNER_ID and SELF_ID of ADMIN SHOW DDL
}

// A Term is one stretch of ownership. A node elected twice has two terms, and
// every write it makes as owner names the term it was made under.
type Term struct {
	OwnerID string // Node.ID
	UUID    string // Node.UUID
	Number  int64
}
