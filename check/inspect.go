package check

import (
	"context"
	"database/sql"
	"regexp"
	"strconv"
	"strings"

	"dxfproxy/grants"
	"dxfproxy/server"
)

// Kinds of stores.
const (
	mariaDB = "MariaDB"
	mySQL   = "MySQL"
	tidb    = "TiDB"
)

// inspected is what check knows about a store.
type inspected struct {
	kind         string
	version      string
	major, minor int
	account      string // as SQL takes it
	metaSchema   string
	plainBeside  bool

	binlog      server.Settings
	binlogError error // why it could not be read
	sessions    sessions
	variables   map[string]string // global ones, lower case
	held        grants.Held
	accounts    accounts
	lockInfo    bool // the plugin that names holders of metadata locks is there
}

// inspect asks the store, and changes nothing.
func inspect(ctx context.Context, db *sql.DB, t Target) (*inspected, error) {
	s := &inspected{metaSchema: t.MetaSchema, plainBeside: t.PlainBeside, variables: make(map[string]string)}
	var version, account string
	const selectWho = `SELECT VERSION(), CURRENT_USER()`
	if err := db.QueryRowContext(ctx, selectWho).Scan(&version, &account); err != nil {
		return nil, err
	}
	s.account = grants.QuoteAccount(account)
	s.kind, s.version, s.major, s.minor = parseVersion(version)
	if s.kind == tidb {
		return s, nil
	}
	if err := s.loadVariables(ctx, db); err != nil {
		return nil, err
	}
	var err error
	if s.held, err = grants.Load(ctx, db); err != nil {
		return nil, err
	}
	if err := s.loadAccounts(ctx, db, t); err != nil {
		return nil, err
	}
	s.binlog, s.binlogError = server.LoadSettings(ctx, db)
	if s.sessions, err = loadSessions(ctx, db, s.kind); err != nil {
		return nil, err
	}

	var n int
	const selectLockInfo = `SELECT COUNT(*) FROM information_schema.PLUGINS
		WHERE PLUGIN_NAME = 'METADATA_LOCK_INFO' AND PLUGIN_STATUS = 'ACTIVE'`
	if err := db.QueryRowContext(ctx, selectLockInfo).Scan(&n); err != nil {
		return nil, err
	}
	s.lockInfo = n > 0
	return s, nil
}

var versionPattern = regexp.MustCompile(`(\d+)\.(\d+)\.\d+`)

// parseVersion reads what VERSION() returns: "10.11.19-MariaDB-log", "9.7.0",
// "8.0.11-TiDB-v8.5.0".
func parseVersion(v string) (kind, number string, major, minor int) {
	kind = mySQL
	switch {
	case strings.Contains(v, "MariaDB"):
		kind = mariaDB
	case strings.Contains(v, "-TiDB-"):
		kind = tidb
		_, v, _ = strings.Cut(v, "-TiDB-")
	}
	m := versionPattern.FindStringSubmatch(v)
	if m == nil {
		return kind, v, 0, 0
	}
	major, _ = strconv.Atoi(m[1])
	minor, _ = strconv.Atoi(m[2])
	return kind, m[0], major, minor
}

func (s *inspected) loadVariables(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `SHOW GLOBAL VARIABLES`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		s.variables[strings.ToLower(name)] = value
	}
	return rows.Err()
}

// layout is the store's, for grants.
func (s *inspected) layout() grants.Layout {
	l := grants.Layout{Meta: s.metaSchema}
	if s.kind == mySQL {
		l.Family = grants.MySQL
	}
	return l
}

// number is the value of a variable; ok is false when the server has no such
// one.
func (s *inspected) number(name string) (n float64, ok bool) {
	n, err := strconv.ParseFloat(s.variables[name], 64)
	return n, err == nil
}
