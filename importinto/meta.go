package importinto

import (
	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/source"
	"dxfproxy/sqltext"
)

// Meta is the meta of an import task: everything a step needs to know of the statement. It is
// written at submit and completed at planning; afterwards only Rows are filled in.
type Meta struct {
	// Of the head Size is of all files, Rows are what all pieces held, known after the
	// import step, and Note says which nodes see the files and why the import is Direct.
	dxf.MetaHead
	// Fingerprint is a hash of the table's definition when the job was
	// submitted; the import is not published into another table.
	Fingerprint string `json:"fingerprint"`
	// TableID is the table's identity then (table.Identity), "" where the store
	// tells none, and User who submitted the job, user@host as in CURRENT_USER():
	// the job ends when it meets another table of the name, or its user has lost
	// the right to it. "" is not looked at.
	TableID string `json:"table_id,omitempty"`
	User    string `json:"user,omitempty"`

	// Location is as typed, or, if it has secrets, with these masked; then Sealed is
	// the whole, which package seal opens for SealedFor, until the task has ended.
	Location  string                `json:"location"`
	Sealed    string                `json:"sealed,omitempty"`
	Format    string                `json:"format"` // csv, sql, parquet
	CSV       decode.CSVConfig      `json:"csv"`    // of format csv
	SplitFile bool                  `json:"split_file,omitempty"`
	Fields    []sqltext.ImportField `json:"fields,omitempty"` // the column list; nil: field i goes to visible column i
	Set       []sqltext.ImportSet   `json:"set,omitempty"`

	// Of the client's session: the values get their meaning under these.
	SQLMode  string `json:"sql_mode"`
	TimeZone string `json:"time_zone"`

	// Node is the one the client is connected to: where the work is done when
	// only one node may do it, if that node can.
	Node          string `json:"node,omitempty"`
	Thread        int    `json:"thread"`
	MaxWriteSpeed int64  `json:"max_write_speed"` // bytes per second and node, 0 for no limit
	Checksum      string `json:"checksum"`        // required, optional, off

	// From planning.
	Local   bool     `json:"local,omitempty"`   // a path on the nodes' disks
	Seen    []string `json:"seen,omitempty"`    // Local: the nodes that see the files
	Staging string   `json:"staging,omitempty"` // the table that takes the target's place
	// Uncounted is a table like Staging, but without its AUTO_INCREMENT. The chunks are
	// loaded into it, and the build exchanges the rows of the two. Where it is "", they are loaded
	// into Staging.
	Uncounted string `json:"uncounted,omitempty"`
	Old       string `json:"old,omitempty"` // the sentry, then the empty table
	// Direct: the rows go from the staging table into the target in one
	// transaction, because the names cannot be exchanged; Note says why.
	Direct bool `json:"direct,omitempty"`
	// Indexes are the lines of SHOW CREATE TABLE that the build adds to the staging table.
	Indexes []string `json:"indexes,omitempty"`
	// Processors of the store: how many chunks may be under way there at once.
	Processors int `json:"processors,omitempty"`
}

// sealedFor is the place that Sealed belongs to: it is of no use to an import into
// another table, or one that shows another location.
func (m Meta) sealedFor() []string { return []string{m.Schema, m.Table, m.Location} }

// Loaded is the table that the chunks go to.
func (m Meta) Loaded() string {
	if m.Uncounted != "" {
		return m.Uncounted
	}
	return m.Staging
}

// PieceMeta is the meta of a subtask of the import step.
type PieceMeta struct {
	Pieces []source.Piece `json:"pieces"`
}
