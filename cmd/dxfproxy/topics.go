package main

import (
	"fmt"
	"strings"

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
	return []finding{{what: "too old", fix: []string{"use MariaDB 10.11 or later"}}}
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
	take func(to *table.Settings, from table.Settings)
	fix  func(s *inspected) []string
}{
	{
		func(to *table.Settings, from table.Settings) { to.LogBin = from.LogBin },
		func(*inspected) []string {
			return []string{"under [mysqld] in the server's configuration file: log_bin=binlog", "and restart the server"}
		},
	},
	{
		func(to *table.Settings, from table.Settings) { to.Snapshots = from.Snapshots },
		func(s *inspected) []string {
			if s.binlog.Family == table.MySQL {
				return setting("binlog_order_commits", "ON")
			}
			return []string{"use MariaDB 10.11 or later; on this server jobs are its own DDL"}
		},
	},
	{
		func(to *table.Settings, from table.Settings) { to.Threads = from.Threads },
		func(*inspected) []string {
			return []string{"under [mysqld] in the server's configuration file: performance_schema=ON", "and restart the server"}
		},
	},
	{
		func(to *table.Settings, from table.Settings) { to.Compressed = from.Compressed },
		func(*inspected) []string { return setting("binlog_transaction_compression", "OFF") },
	},
	{
		func(to *table.Settings, from table.Settings) { to.Partial = from.Partial },
		func(*inspected) []string { return setting("binlog_row_value_options", "''") },
	},
	{
		func(to *table.Settings, from table.Settings) { to.Format = from.Format },
		func(*inspected) []string { return setting("binlog_format", "ROW") },
	},
	{
		func(to *table.Settings, from table.Settings) { to.RowImage = from.RowImage },
		func(*inspected) []string { return setting("binlog_row_image", "FULL") },
	},
	{
		func(to *table.Settings, from table.Settings) { to.SlaveGrant = from.SlaveGrant },
		func(s *inspected) []string { return []string{s.grant("REPLICATION SLAVE")} },
	},
	{
		func(to *table.Settings, from table.Settings) { to.StatusGrant = from.StatusGrant },
		func(s *inspected) []string {
			if s.kind == mariaDB {
				return []string{s.grant("BINLOG MONITOR")}
			}
			return []string{s.grant("REPLICATION CLIENT")}
		},
	},
}

// grant is the statement that gives the account privileges on everything.
func (s *inspected) grant(privileges ...string) string {
	return fmt.Sprintf("GRANT %s ON *.* TO %s;", strings.Join(privileges, ", "), s.account)
}

func lookBinlog(s *inspected) (found []finding) {
	if s.binlogError != nil {
		return []finding{{what: s.binlogError.Error()}}
	}
	for _, need := range binlogNeeds {
		one := table.Settings{Family: s.binlog.Family, LogBin: true, Snapshots: true, Format: "ROW", RowImage: "FULL", SlaveGrant: true, StatusGrant: true, Threads: true}
		need.take(&one, s.binlog)
		if reason := one.Reason(); reason != "" {
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
	return found
}

// lookPrivileges asks for what indexes and imports need together. Without TRIGGER the
// account would not see that a table has some, and they would go with the old table
// when a new one takes its place. FILE is not needed: files come from the nodes.
func lookPrivileges(s *inspected) (found []finding) {
	if missing := s.grants.lacks("*.*", "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER", "LOCK TABLES"); len(missing) > 0 {
		found = append(found, finding{
			what: "on the tables that jobs change the account has not all of " + strings.Join(missing, ", "),
			fix:  []string{s.grant(missing...), "or the same on the schemas with such tables"},
			note: s.onSchemas(missing),
		})
	}
	if missing := s.grants.lacks(s.metaSchema+".*", "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX"); len(missing) > 0 {
		found = append(found, finding{
			what: "the account may not do all in schema " + s.metaSchema,
			fix:  []string{fmt.Sprintf("GRANT ALL PRIVILEGES ON `%s`.* TO %s;", s.metaSchema, s.account)},
		})
	}
	if !s.process {
		found = append(found, finding{what: "the account does not see other sessions", fix: []string{s.grant("PROCESS")}})
	}
	if missing := s.grants.lacks("*.*", "CONNECTION ADMIN"); len(missing) > 0 {
		privilege := "CONNECTION ADMIN"
		if s.kind == mySQL {
			privilege = "CONNECTION_ADMIN"
		}
		found = append(found, finding{what: "the account may not end sessions", fix: []string{s.grant(privilege)}})
	}
	return found
}

// onSchemas reports whether the privileges are granted on some schema beside
// ours: enough for jobs on its tables.
func (s *inspected) onSchemas(privileges []string) bool {
	for scope := range s.grants {
		if scope != "*.*" && scope != s.metaSchema+".*" && len(s.grants.lacks(scope, privileges...)) == 0 {
			return true
		}
	}
	return false
}

func lookWritable(s *inspected) []finding {
	if v := s.variables["read_only"]; v == "" || v == "OFF" || v == "0" {
		return nil
	}
	return []finding{{what: "the server is read-only", fix: []string{"SET GLOBAL read_only = OFF;", "or name the primary server with --store"}}}
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
			what: fmt.Sprintf("max_statement_time is %g seconds: a statement that the store runs by itself, being no job, may be too long for it", n),
			fix:  setting("max_statement_time", "0"),
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
