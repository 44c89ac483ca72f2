package sqlhandler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"dxfproxy/protocol"
	"dxfproxy/server"
	"dxfproxy/table"
)

// What a statement means hangs on more of its session than sql_mode and character set.
// Some of that a trial is told (carried); a session that differs from any other in one of
// the rest runs its statement itself, where it has its meaning. The lists are of the
// servers' manuals ("Server System Variables" of MariaDB and MySQL, InnoDB's and the
// replication's); what is not in them says how a session waits, sorts, shows or logs.

// carried are the variables that a trial runs under as well: how its literals are read, in
// which language it complains, and whether it takes notes.
var carried = []string{"time_zone", "collation_connection", "lc_messages", "sql_notes"}

// always are the variables that decide what any change of a table is or does.
var always = []string{
	"alter_algorithm", "old_alter_table", "old", "old_mode", "new_mode", "sql_if_exists", "innodb_strict_mode", "sql_require_primary_key",
	"innodb_ft_enable_stopword", "innodb_ft_user_stopword_table", "innodb_default_encryption_key_id", "innodb_compression_default",
	"system_versioning_alter_history", "enforce_storage_engine", "default_collation_for_utf8mb4", "character_set_collations",
	// Where it is written down, and as whose.
	"sql_log_bin", "gtid_next", "gtid_domain_id", "server_id", "skip_replication", "wsrep_on", "wsrep_osu_method",
}

// beyondIndexes are those that a statement looks at which does more than add and drop
// indexes: what new columns are, and what they hold in rows that are there.
var beyondIndexes = []string{
	"explicit_defaults_for_timestamp", "div_precision_increment", "default_week_format", "lc_time_names", "block_encryption_mode",
	"auto_increment_increment", "auto_increment_offset", "insert_id", "check_constraint_checks", "group_concat_max_len", "max_sort_length",
	"sql_generate_invisible_primary_key", "column_compression_threshold", "column_compression_zlib_level", "column_compression_zlib_strategy",
	"column_compression_zlib_wrap",
}

// related are those that matter where foreign keys do.
var related = []string{"foreign_key_checks", "restrict_fk_on_non_standard_key"}

// limited bounds the time of a statement, in seconds; MySQL has it for SELECT alone.
const limited = "max_statement_time"

// variables are values of a session by name. What the server does not know is not there.
type variables map[string]string

var variablesSQL = func() string {
	names := slices.Concat(carried, always, beyondIndexes, related, []string{limited})
	return "SHOW SESSION VARIABLES WHERE Variable_name IN ('" + strings.Join(names, "', '") + "')"
}()

// askVariables reads what the client's session has set. One that cannot be asked for its
// own limits has none, and so differs from any other.
func askVariables(ctx context.Context, c *protocol.Conn) (variables, error) {
	rs, err := query(ctx, c, "%s", variablesSQL)
	if code(err) == server.ErrTooBigSelect { // a small max_join_size: it may not even read its variables
		return variables{}, nil
	}
	if err != nil {
		return nil, err
	}
	v := variables{}
	for i := range rs.Rows {
		v[strings.ToLower(field(rs, i, 0))] = field(rs, i, 1)
	}
	return v, nil
}

// newSession reads what a session has that has set nothing.
func newSession(ctx context.Context, conn server.Querier) (variables, error) {
	rows, err := conn.QueryContext(ctx, variablesSQL)
	if err != nil {
		return nil, fmt.Errorf("read the variables of a new session: %w", err)
	}
	defer rows.Close()
	v := variables{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, fmt.Errorf("read the variables of a new session: %w", err)
		}
		v[strings.ToLower(name)] = value
	}
	return v, rows.Err()
}

// differ says whether two sessions differ in one of the variables.
func (v variables) differ(w variables, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return v[name] != w[name] })
}

// limit is how long a statement may take; 0 is as long as it likes.
func (v variables) limit() time.Duration {
	seconds, err := strconv.ParseFloat(v[limited], 64)
	if err != nil || seconds <= 0 {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// A meaning is what a client's session makes of a statement, compared with a new one.
type meaning struct {
	client, fresh variables
	ownTime       bool
}

// meaningOf asks a new session, conn, for what the client's is compared with.
func meaningOf(ctx context.Context, conn server.Querier, facts sessionFacts) (m meaning, err error) {
	m = meaning{client: facts.variables, ownTime: facts.ownTime}
	if m.client == nil {
		return m, nil
	}
	m.fresh, err = newSession(ctx, conn)
	return m, err
}

// own says whether every statement of the session about a table is its own.
func (m meaning) own(info *table.Info) bool {
	return m.client.differ(m.fresh, always) || len(info.Parents)+len(info.Children) > 0 && m.client.differ(m.fresh, related)
}

// ownChange says whether this change is.
func (m meaning) ownChange(before, after table.Definition) bool {
	if table.OnlyIndexes(before, after) {
		return table.SessionBound(before, after)
	}
	return m.ownTime || m.client.differ(m.fresh, beyondIndexes) || table.SessionBound(before, after)
}

// settings are what tells a session what is carried, each for a SET.
func (m meaning) settings() []string {
	var set []string
	for _, name := range slices.Sorted(maps.Keys(m.client)) {
		value := m.client[name]
		if slices.Contains(carried, name) && value != m.fresh[name] {
			set = append(set, "SESSION "+name+" = "+server.Text(value))
		}
	}
	return set
}

// language is the client's lc_messages where it is not the store's.
func (m meaning) language() string {
	if name := m.client["lc_messages"]; name != m.fresh["lc_messages"] {
		return name
	}
	return ""
}
