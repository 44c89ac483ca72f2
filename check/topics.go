package check

import (
	"fmt"
	"strings"

	"dxfproxy/grants"
	"dxfproxy/server"
	"dxfproxy/table"
)

// topics are what check looks at, in the order it prints.
var topics = []struct {
	name string
	look func(*inspected) []finding
}{
	{"version", lookVersion},
	{"binlog", lookBinlog},
	{"privileges", lookPrivileges},
	{"accounts", lookAccounts},
	{"logins", lookLogins},
	{"meta schema", lookWriters},
	{"server", lookServer},
	{"node", lookNode},
	{"writable", lookWritable},
	{"timeouts", lookTimeouts},
	{"parallel copy", lookParallel},
	{"cut-over", lookCutOver},
	{"imports", lookImports},
}

func lookVersion(s *inspected) []finding {
	if s.kind == mariaDB && (s.major > 10 || s.major == 10 && s.minor >= 11) {
		return nil
	}
	if s.kind == mySQL && s.major >= 8 {
		return nil
	}
	return []finding{{what: "too old", fix: []string{"use MariaDB 10.11 or later, or MySQL 9.7"}}}
}

// setting is the fix for a variable that can be changed while the server runs.
func setting(name, value string) []string {
	return []string{fmt.Sprintf("SET GLOBAL %s = %s;", name, value), configured(name, value)}
}

// configured is a line for the server's configuration file.
func configured(name, value string) string {
	return fmt.Sprintf("and for the next start, under [mysqld] in its configuration file: %s=%s", name, value)
}

// binlogNeeds are what the changefeed needs, one by one: take copies it from
// what is there into settings that lack nothing.
var binlogNeeds = []struct {
	take func(to *server.Settings, from server.Settings)
	fix  func(s *inspected) []string
}{
	{
		func(to *server.Settings, from server.Settings) { to.LogBin = from.LogBin },
		func(*inspected) []string {
			return []string{"under [mysqld] in the server's configuration file: log_bin=binlog", "and restart the server"}
		},
	},
	{
		func(to *server.Settings, from server.Settings) { to.Snapshots = from.Snapshots },
		func(s *inspected) []string {
			if s.binlog.Family == server.MySQL {
				return setting("binlog_order_commits", "ON")
			}
			return []string{"use MariaDB 10.11 or later; on this server jobs are its own DDL"}
		},
	},
	{
		func(to *server.Settings, from server.Settings) { to.Threads = from.Threads },
		func(*inspected) []string {
			return []string{"under [mysqld] in the server's configuration file: performance_schema=ON", "and restart the server"}
		},
	},
	{
		func(to *server.Settings, from server.Settings) { to.Compressed = from.Compressed },
		func(*inspected) []string { return setting("binlog_transaction_compression", "OFF") },
	},
	{
		func(to *server.Settings, from server.Settings) { to.Partial = from.Partial },
		func(*inspected) []string { return setting("binlog_row_value_options", "''") },
	},
	{
		func(to *server.Settings, from server.Settings) { to.Silent = from.Silent },
		func(i *inspected) []string {
			variable := "log_slave_updates"
			if i.binlog.Family == server.MySQL {
				variable = "log_replica_updates"
			}
			return []string{"under [mysqld] in the server's configuration file: " + variable + "=ON", "and restart the server"}
		},
	},
	{
		func(to *server.Settings, from server.Settings) { to.Format = from.Format },
		func(*inspected) []string { return setting("binlog_format", "ROW") },
	},
	{
		func(to *server.Settings, from server.Settings) { to.RowImage = from.RowImage },
		func(*inspected) []string { return setting("binlog_row_image", "FULL") },
	},
}

func lookBinlog(s *inspected) (found []finding) {
	if s.binlogError != nil {
		return []finding{{what: s.binlogError.Error()}}
	}
	for _, need := range binlogNeeds {
		one := server.Settings{
			Family: s.binlog.Family, LogBin: true, Snapshots: true, Format: "ROW", RowImage: "FULL",
			SlaveGrant: true, StatusGrant: true, Threads: true,
		}
		need.take(&one, s.binlog)
		if reason := table.Unfit(one); reason != "" {
			found = append(found, finding{what: string(reason), fix: need.fix(s)})
		}
		if !s.binlog.LogBin || len(found) > 0 && !s.binlog.Snapshots {
			return found // the rest was not asked
		}
	}
	const day = 24 * 60 * 60
	if n, ok := s.number("binlog_expire_logs_seconds"); ok && n > 0 && n < day {
		found = append(found, finding{
			note: true,
			what: fmt.Sprintf("binlogs are removed after %.0f seconds; a job that has waited longer cannot go on", n),
			fix:  setting("binlog_expire_logs_seconds", fmt.Sprint(day)),
		})
	}
	return append(found, lookSessions(s)...)
}

// lookPrivileges asks for what indexes and imports need together.
func lookPrivileges(s *inspected) (found []finding) {
	l := s.layout()
	for _, n := range s.held.Lacks(l.Needs(grants.Work)) {
		f := finding{what: "the account lacks " + n.String(), fix: []string{l.Grant(n, s.account, s.literal()) + ";"}}
		if l.OnTables(n) {
			f.what = "on the tables that jobs change the account has not all of " + strings.Join(n.Privileges, ", ")
			f.fix = append(f.fix, "or the same on the schemas with such tables")
			if some := s.onSchemas(n.Privileges); len(some) > 0 { // as --grants-on has it
				f = finding{note: true, what: "jobs change tables of these schemas alone: " + strings.Join(some, ", ")}
			}
		}
		found = append(found, f)
	}
	return found
}

// literal: schemas in grants are no patterns.
func (s *inspected) literal() bool { return s.variables["partial_revokes"] == "ON" }

// onSchemas lists the schemas beside ours on which the privileges are granted: enough
// for jobs on their tables.
func (s *inspected) onSchemas(privileges []string) (some []string) {
	for _, schema := range s.held.Schemas() {
		if schema != s.metaSchema && len(s.held.Lacks([]grants.Need{{Schema: schema, Privileges: privileges}})) == 0 {
			some = append(some, schema)
		}
	}
	return some
}

func lookWritable(s *inspected) []finding {
	if v := s.variables["read_only"]; v == "" || v == "OFF" || v == "0" {
		return nil
	}
	return []finding{{
		what: "the server is read-only",
		fix:  []string{"SET GLOBAL read_only = OFF;", "or name the primary server with --store"},
	}}
}

func lookTimeouts(s *inspected) (found []finding) {
	// A client that waits for its job is silent towards the store but for a ping
	// a minute.
	const least = 120
	for _, name := range []string{"wait_timeout", "interactive_timeout"} {
		if n, ok := s.number(name); ok && n < least {
			found = append(found, finding{
				what: fmt.Sprintf("%s is %.0f seconds: sessions that wait for a job would be ended", name, n),
				fix:  setting(name, "28800"),
			})
		}
	}
	if n, ok := s.number("max_statement_time"); ok && n > 0 {
		found = append(found, finding{
			note: true,
			what: fmt.Sprintf("max_statement_time is %g seconds: a statement that the store runs by itself, being no job, "+
				"may be too long for it", n),
			fix: setting("max_statement_time", "0"),
		})
	}
	return found
}

func lookParallel(s *inspected) []finding {
	v, ok := s.variables["innodb_autoinc_lock_mode"]
	if !ok || v == "2" {
		return nil
	}
	return []finding{{
		note: true,
		what: fmt.Sprintf("innodb_autoinc_lock_mode is %s: rows of a table with AUTO_INCREMENT are copied by one node at a time", v),
		fix:  []string{"under [mysqld] in the server's configuration file: innodb_autoinc_lock_mode=2", "and restart the server"},
	}}
}

func lookCutOver(s *inspected) []finding {
	if s.kind != mariaDB || s.lockInfo {
		return nil
	}
	return []finding{{
		note: true,
		what: "a job whose cut-over waits for somebody's transaction cannot name it",
		fix:  []string{"INSTALL SONAME 'metadata_lock_info';"},
	}}
}

// lookImports asks for what IMPORT INTO is better for.
func lookImports(s *inspected) (found []finding) {
	if v := s.variables["local_infile"]; v == "OFF" || v == "0" {
		found = append(found, finding{
			note: true,
			what: "local_infile is OFF: files are imported by INSERT statements, which is slower than LOAD DATA LOCAL",
			fix:  setting("local_infile", "ON"),
		})
	}
	const least = 16 << 20 // MariaDB's own default
	if n, ok := s.number("max_allowed_packet"); ok && n < least {
		found = append(found, finding{
			note: true,
			what: fmt.Sprintf("max_allowed_packet is %.0f bytes: a longer row cannot be imported by INSERT statements, nor asked for by clients", n),
			fix:  setting("max_allowed_packet", fmt.Sprint(least)),
		})
	}
	return found
}
