package backfill

import (
	"encoding/json"

	"dxfproxy/dxf"
)

// A Way is how a backfill task does its work.
type Way string

// Ways: the cheapest that hurts nobody is chosen when the task is planned.
const (
	WayDistributed Way = "distributed" // a copy into a shadow, on all nodes
	WayTxn         Way = "txn"         // the same on one node, in small transactions
	WayNative      Way = "native"      // the store's own online DDL
)

// Meta is the meta of a backfill task: everything a step needs to know of the change. It is
// written at submit and completed at planning; afterwards only Rows and Affected are filled in.
type Meta struct {
	// Of the head Rows is an estimate until the rows are copied, and Note says why the
	// task runs natively.
	dxf.MetaHead
	// Changes are the clauses that follow ALTER TABLE name. They are made of the
	// store's own words for the table before and after (table.Difference), never
	// of the user's text: they run under the account that does the jobs' work.
	Changes []string `json:"changes"`
	// Ignore is ALTER IGNORE TABLE, Algorithm and Lock the values of these
	// clauses in upper case, "" for none; they count where the store itself
	// makes the change (WayNative).
	Ignore    bool   `json:"ignore,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
	Lock      string `json:"lock,omitempty"`
	// Conditional: an added index of which the table has one of that name is
	// left out (IF NOT EXISTS).
	Conditional bool `json:"conditional,omitempty"`
	// SQLMode are those parts of the session's sql_mode that decide which values
	// the table may hold (table.ValueMode).
	SQLMode string `json:"sql_mode"`
	// Language is the session's lc_messages where it is not the store's: what the
	// store has to say of the change it says in it.
	Language string `json:"language,omitempty"`
	// Strict: the build refuses what SQLMode forbids, values of virtual columns
	// that nobody has looked at before.
	Strict bool `json:"strict,omitempty"`
	// TableID is the table's identity in the store when the job was submitted,
	// and from planning on (table.Info.ID); "" where the store tells none. The
	// job ends when it meets another table of the name.
	TableID string `json:"table_id,omitempty"`
	// User is who submitted the job, user@host as in CURRENT_USER(), and
	// Privilege the one that the change needs, ALTER or INDEX. A job ends when
	// its user has lost it. "" is not looked at.
	User      string `json:"user,omitempty"`
	Privilege string `json:"privilege,omitempty"`
	// Fingerprint is a hash of the table's definition when the job was
	// submitted; the job does not start on another table.
	Fingerprint string `json:"fingerprint"`
	// Target is SHOW CREATE TABLE of the finished table (under a scratch name):
	// what the store itself made of the statement.
	Target string `json:"target"`

	Way           Way    `json:"way"` // what to try; planning may turn it to native with a Note
	Thread        int    `json:"thread"`
	BatchSize     int    `json:"batch_size"`
	Priority      string `json:"priority"` // tidb_ddl_reorg_priority
	MaxWriteSpeed int64  `json:"max_write_speed"`
	ErrorLimit    int64  `json:"error_limit"` // tidb_ddl_error_count_limit
	NativeMaxSize int64  `json:"native_max_size"`

	// From planning on.

	// Affected is Summary's, once the store's own statement has ended.
	Affected int64  `json:"affected,omitempty"`
	Shadow   string `json:"shadow,omitempty"`
	Old      string `json:"old,omitempty"`
	// Indexes are the lines of SHOW CREATE TABLE that the build adds to the shadow.
	Indexes []string `json:"indexes,omitempty"`
	// Processors of the store: how many chunks may be under way there at once,
	// of all nodes; 0 where it does not tell.
	Processors int `json:"processors,omitempty"`
}

// MarshalJSON writes the note as an error, which is what nodes of earlier builds read: while
// nodes are replaced one after the other, one of them may run what another has planned.
func (m Meta) MarshalJSON() ([]byte, error) {
	type plain Meta
	told := struct {
		plain
		Note *dxf.Error `json:"note,omitempty"`
	}{plain: plain(m)}
	if m.Note != "" {
		told.Note = dxf.Errorf("%s", m.Note)
	}
	return json.Marshal(told)
}

// rangeMeta is the meta of a copy, compare or verify subtask; Range is
// table.Range as JSON. In the build step it tells a compare from the build.
type rangeMeta struct {
	Range []byte `json:"range"`
}
