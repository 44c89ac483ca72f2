package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/table"
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

	binlog      table.Settings
	binlogError error             // why it could not be read
	variables   map[string]string // global ones, lower case
	grants      grants
	process     bool // the account sees all sessions
	lockInfo    bool // the plugin that names holders of metadata locks is there
}

// inspect asks the store, and changes nothing.
func inspect(ctx context.Context, db *sql.DB, metaSchema string) (*inspected, error) {
	s := &inspected{metaSchema: metaSchema, variables: make(map[string]string)}
	var version, account string
	const selectWho = `SELECT VERSION(), CURRENT_USER()`
	if err := db.QueryRowContext(ctx, selectWho).Scan(&version, &account); err != nil {
		return nil, err
	}
	s.account = quoteAccount(account)
	s.kind, s.version, s.major, s.minor = parseVersion(version)
	if s.kind == tidb {
		return s, nil
	}
	if err := s.loadVariables(ctx, db); err != nil {
		return nil, err
	}
	var err error
	if s.grants, err = loadGrants(ctx, db); err != nil {
		return nil, err
	}
	s.binlog, s.binlogError = table.LoadSettings(ctx, db)

	// Grants are many things; whether this one works is seen by trying.
	const selectProcess = `SELECT COUNT(*) FROM information_schema.INNODB_TRX`
	var n int
	err = db.QueryRowContext(ctx, selectProcess).Scan(&n)
	s.process = err == nil
	var refused *mysql.MySQLError
	if err != nil && !errors.As(err, &refused) {
		return nil, err
	}
	const selectLockInfo = `SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'METADATA_LOCK_INFO' AND PLUGIN_STATUS = 'ACTIVE'`
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

// number is the value of a variable; ok is false when the server has no such
// one.
func (s *inspected) number(name string) (n float64, ok bool) {
	n, err := strconv.ParseFloat(s.variables[name], 64)
	return n, err == nil
}

// grants are an account's privileges, on all ("*.*") and on schemas ("dxf.*").
type grants map[string][]string

// loadGrants reads the account's grants, those of its active roles among them.
func loadGrants(ctx context.Context, db *sql.DB) (grants, error) {
	rows, err := db.QueryContext(ctx, `SHOW GRANTS`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	g := make(grants)
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		g.add(line)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read our account's grants: %w", err)
	}
	return g, nil
}

var grantPattern = regexp.MustCompile(`^GRANT (.*) ON (\S+\.\S+) TO `)

// add reads one line of SHOW GRANTS. One that names no privileges, such as the
// membership in a role, is passed over.
func (g grants) add(line string) {
	m := grantPattern.FindStringSubmatch(line)
	if m == nil {
		return
	}
	on := strings.NewReplacer("`", "", `\`, "").Replace(m[2])
	for word := range strings.SplitSeq(m[1], ",") {
		g[on] = append(g[on], strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(word), "_", " ")))
	}
}

// lacks returns those of the privileges that are not granted on all, nor on the
// scope.
func (g grants) lacks(scope string, privileges ...string) (missing []string) {
	for _, p := range privileges {
		if !g.has("*.*", p) && !g.has(scope, p) {
			missing = append(missing, p)
		}
	}
	return missing
}

func (g grants) has(scope, privilege string) bool {
	for _, granted := range g[scope] {
		switch granted {
		case privilege, "ALL PRIVILEGES":
			return true
		case "SUPER":
			if privilege == "CONNECTION ADMIN" { // before MariaDB 10.11, and in MySQL
				return true
			}
		}
	}
	return false
}
