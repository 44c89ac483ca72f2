package check

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"dxfproxy/grants"
)

// accounts is what check knows of who may come in, and who may do what.
type accounts struct {
	refused map[grants.Role]error // why the meta or the trial account cannot be used
	names   map[grants.Role]string
	seen    string // our host, as the store sees it
	logins  []Login
	known   bool // logins and writers are: our account may see them
	writers []writer
}

// A writer is a grant of somebody's by which he writes where only nodes should.
type writer struct {
	grantee    string // as SQL takes it
	on         string // as GRANT takes it
	privileges []string
}

// loadAccounts looks at the accounts, other than by what is granted to ours.
func (s *inspected) loadAccounts(ctx context.Context, db *sql.DB, t Target) error {
	s.accounts.refused, s.accounts.names = map[grants.Role]error{}, map[grants.Role]string{}
	for r, a := range map[grants.Role]grants.Account{grants.Meta: t.Meta, grants.Trial: t.Trial} {
		own, err := OpenAs(t.DSN, a)
		if err != nil {
			return err
		}
		s.accounts.names[r] = a.User
		s.accounts.refused[r], err = s.layout().Fits(ctx, own, a.User, r)
		if err = errors.Join(err, own.Close()); err != nil {
			return err
		}
	}
	if err := db.QueryRowContext(ctx, `SELECT SUBSTRING_INDEX(USER(), '@', -1)`).Scan(&s.accounts.seen); err != nil {
		return err
	}
	var err error
	if s.accounts.logins, s.accounts.known, err = Logins(ctx, db, s.metaSchema); err != nil || !s.accounts.known {
		return err
	}
	return s.loadWriters(ctx, db)
}

// loadWriters finds who else may write in the schemas of the framework: a row there is
// executed. Who may make accounts may do anything, and is left out.
func (s *inspected) loadWriters(ctx context.Context, db *sql.DB) error {
	const writersSQL = `
		SELECT GRANTEE, TABLE_SCHEMA, '*', PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES
		UNION ALL SELECT GRANTEE, TABLE_SCHEMA, TABLE_NAME, PRIVILEGE_TYPE FROM information_schema.TABLE_PRIVILEGES
		UNION ALL SELECT GRANTEE, '*', '*', PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES
		ORDER BY 1, 2, 3, 4`
	rows, err := db.QueryContext(ctx, writersSQL)
	if err != nil {
		return fmt.Errorf("read the store's privileges: %w", err)
	}
	defer rows.Close()
	writes := []string{"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "TRIGGER"}
	masters := map[string]bool{}
	var found []writer
	for rows.Next() {
		var grantee, schema, table, privilege string
		if err := rows.Scan(&grantee, &schema, &table, &privilege); err != nil {
			return err
		}
		if privilege == "CREATE USER" || privilege == "SUPER" {
			masters[grantee] = true
		}
		if !slices.Contains(writes, privilege) || s.ours(grantee) || !s.reaches(schema, table) {
			continue
		}
		on := "*.*"
		if schema != "*" {
			on = "`" + schema + "`.*"
		}
		if table != "*" {
			on = "`" + schema + "`.`" + table + "`"
		}
		if n := len(found); n > 0 && found[n-1].grantee == grantee && found[n-1].on == on {
			found[n-1].privileges = append(found[n-1].privileges, privilege)
		} else {
			found = append(found, writer{grantee, on, []string{privilege}})
		}
	}
	for _, w := range found {
		if !masters[w.grantee] {
			s.accounts.writers = append(s.accounts.writers, w)
		}
	}
	return rows.Err()
}

// reaches reports whether a grant is for a schema of the framework's. That of a schema is a
// pattern, that of a table is not.
func (s *inspected) reaches(schema, table string) bool {
	if schema == "*" {
		return true
	}
	return slices.ContainsFunc([]string{s.metaSchema, grants.Scratch(s.metaSchema)}, func(own string) bool {
		return schema == own || table == "*" && !s.literal() && grants.Like(schema, own)
	})
}

// ours reports whether a grantee is one of the accounts of nodes.
func (s *inspected) ours(grantee string) bool {
	if grantee == s.account {
		return true
	}
	for _, user := range s.accounts.names {
		if strings.HasPrefix(grantee, grants.Quote(user)+"@") {
			return true
		}
	}
	return false
}

// lookAccounts tells what the accounts of nodes lack, and what they have beyond their need.
func lookAccounts(s *inspected) (found []finding) {
	script := "dxfproxy check --grants, with the same flags, prints the statements that make it so"
	if refused := s.accounts.refused[grants.Meta]; refused != nil {
		found = append(found, finding{
			note: true,
			what: fmt.Sprintf("the framework's tables are kept under the account of --store: %s cannot be used: %s",
				s.accounts.names[grants.Meta], refused),
			fix: []string{script},
		})
	}
	if refused := s.accounts.refused[grants.Trial]; refused != nil {
		f := finding{
			what: fmt.Sprintf("statements become no distributed jobs: %s cannot be used: %s", s.accounts.names[grants.Trial], refused),
			fix:  []string{script},
		}
		if errors.Is(refused, grants.ErrBeyond) {
			who := s.accountOf(s.accounts.names[grants.Trial])
			f.fix = []string{fmt.Sprintf("REVOKE ALL PRIVILEGES, GRANT OPTION FROM %s;", who)}
			for _, n := range s.layout().Needs(grants.Trial) {
				f.fix = append(f.fix, s.layout().Grant(n, who, s.literal())+";")
			}
		}
		found = append(found, f)
	}
	return append(found, s.beyond()...)
}

// accountOf is the account of a user, as SQL takes it: the first that the store lists.
func (s *inspected) accountOf(user string) string {
	for _, l := range s.accounts.logins {
		if l.User == user {
			return l.String()
		}
	}
	return grants.Quote(user) + "@'%'"
}

// beyond tells what the account of the jobs' work has that no job needs, and by which
// somebody who finds a fault of ours would get further than the tables.
func (s *inspected) beyond() (found []finding) {
	for _, p := range []string{"SUPER", "FILE", "CREATE USER", "SHUTDOWN"} {
		if s.held.Has(grants.Everywhere, p) {
			found = append(found, finding{
				note: true,
				what: fmt.Sprintf("the account has %s, which no job needs", p),
				fix:  []string{fmt.Sprintf("REVOKE %s ON *.* FROM %s;", p, s.account)},
			})
		}
	}
	if s.held.Option() {
		found = append(found, finding{
			note: true,
			what: "the account may grant what it has",
			fix:  []string{fmt.Sprintf("REVOKE GRANT OPTION ON *.* FROM %s;", s.account)},
		})
	}
	if s.held.Has("mysql", "INSERT") || s.held.Has("mysql", "UPDATE") {
		found = append(found, finding{
			note: true,
			what: "the account may write in schema mysql, and so make itself any other account",
			fix:  []string{"dxfproxy check --grants --grants-on, with the schemas of your tables, prints narrower grants"},
		})
	}
	return found
}

// lookLogins tells by which accounts anybody comes in.
func lookLogins(s *inspected) (found []finding) {
	if !s.accounts.known {
		return []finding{{
			note: true,
			what: "the account does not see the others: " +
				"nobody has looked for such without a password, nor who else may write in schema " + s.metaSchema,
			fix: []string{s.layout().Grant(grants.Need{Schema: "mysql", Privileges: []string{"SELECT"}}, s.account, s.literal()) + ";"},
		}}
	}
	for _, l := range s.accounts.logins {
		switch {
		case l.User == "":
			found = append(found, finding{
				note: true,
				what: fmt.Sprintf("%s is everybody whose name has no account, and hides accounts of other hosts", l),
				fix:  []string{fmt.Sprintf("DROP USER %s;", l)},
			})
		case l.Open && l.Powers:
			what := fmt.Sprintf("%s has privileges on everything, and no password", l)
			if l.ReachableBy(s.accounts.seen, false) {
				what += "; nodes let whoever reaches them be it, and do not start on an address of the network"
			}
			found = append(found, finding{note: true, what: what, fix: []string{fmt.Sprintf("ALTER USER %s IDENTIFIED BY '…';", l)}})
		case l.Open:
			found = append(found, finding{
				note: true,
				what: fmt.Sprintf("%s has no password", l),
				fix:  []string{fmt.Sprintf("ALTER USER %s IDENTIFIED BY '…';", l)},
			})
		}
	}
	return found
}

// lookWriters tells who may write what nodes execute.
func lookWriters(s *inspected) (found []finding) {
	for _, w := range s.accounts.writers {
		f := finding{
			note: true,
			what: fmt.Sprintf("%s may write in schema %s, whose rows nodes execute: %s on %s",
				w.grantee, s.metaSchema, strings.Join(w.privileges, ", "), w.on),
			fix: []string{fmt.Sprintf("REVOKE %s ON %s FROM %s;", strings.Join(w.privileges, ", "), w.on, w.grantee)},
		}
		if w.on == "*.*" {
			f.fix = append(f.fix, "and grant them on the schemas that are meant")
		}
		found = append(found, f)
	}
	return found
}

// lookServer tells settings that hand out what should stay, or shut out whom they should not.
func lookServer(s *inspected) (found []finding) {
	note := func(what string, fix ...string) { found = append(found, finding{note: true, what: what, fix: fix}) }
	on := func(name string) bool { v := s.variables[name]; return v == "ON" || v == "1" }
	const few = 1 << 20
	if n, ok := s.number("max_connect_errors"); ok && n < few && !on("skip_name_resolve") {
		note(fmt.Sprintf("max_connect_errors is %.0f: after so many connections that were given up a machine is locked out until FLUSH HOSTS, "+
			"a node's with all its clients", n),
			append(setting("max_connect_errors", "4294967295"), "or, under [mysqld] in the server's configuration file: skip_name_resolve=ON")...)
	}
	if on("general_log") {
		note("general_log is ON: it keeps statements with the passwords and the keys of object stores that are in them",
			setting("general_log", "OFF")...)
	}
	if v, ok := s.variables["secure_file_priv"]; ok && v != "" {
		note(fmt.Sprintf("secure_file_priv is %s: the server's files stay there, while IMPORT INTO reads those of the nodes", v),
			"see --import-dir")
	}
	return found
}

// lookNode tells flags that do less than they seem to.
func lookNode(s *inspected) (found []finding) {
	if s.plainBeside {
		found = append(found, finding{
			note: true,
			what: "--tls-ca asks those for a certificate who use TLS; who does not is let in without one",
			fix:  []string{"leave out --require-secure-transport=false"},
		})
	}
	return found
}
