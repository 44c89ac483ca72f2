package check

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dxfproxy/grants"
	"dxfproxy/server"
)

// who is an account of the store's, or a role. Roles of MariaDB have no host.
type who struct{ user, host string }

// everybody is MariaDB's role that all accounts have.
var everybody = who{user: "PUBLIC"}

// powerful are the accounts that may have their way with the whole store: by a
// privilege on everything or on the tables of schema mysql, as another account, or by a
// role with one of these; and those that write what nodes execute. Global are those
// that are known already to have a privilege on everything.
func powerful(ctx context.Context, db *sql.DB, meta string, global map[who]bool) (map[who]bool, error) {
	powers := maps.Clone(global)
	on := func(schema string) bool { return grants.Like(schema, "mysql") || grants.Like(schema, meta) }
	for _, q := range []struct {
		sql  string
		take func(who, string)
	}{
		{`SELECT User, Host, Db FROM mysql.db`, func(w who, schema string) { powers[w] = powers[w] || on(schema) }},
		{`SELECT User, Host, Db FROM mysql.tables_priv`, func(w who, schema string) { powers[w] = powers[w] || on(schema) }},
		{`SELECT User, Host, Proxied_user FROM mysql.proxies_priv`, func(w who, _ string) { powers[w] = true }},
	} {
		if err := eachGrant(ctx, db, q.sql, q.take); err != nil {
			return nil, err
		}
	}
	roles, err := rolesOf(ctx, db)
	if err != nil {
		return nil, err
	}
	for grown := true; grown; { // roles have roles
		grown = false
		for w, has := range roles {
			if !powers[w] && slices.ContainsFunc(has, func(r who) bool { return powers[r] }) {
				powers[w], grown = true, true
			}
		}
	}
	return powers, nil
}

// eachGrant calls take with the rows of a query for an account and a text. What the
// store has not, or does not show us, has no rows.
func eachGrant(ctx context.Context, db *sql.DB, query string, take func(who, string)) error {
	rows, err := db.QueryContext(ctx, query)
	if server.IsErr(err, server.ErrTableAccessDenied, server.ErrColumnAccessDenied, server.ErrNoSuchTable, server.ErrUnknownSystemVariable) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the store's privileges: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var w who
		var text string
		if err := rows.Scan(&w.user, &w.host, &text); err != nil {
			return err
		}
		take(w, text)
	}
	return rows.Err()
}

// rolesOf are the roles that accounts may take on, whether they have them from the
// start or ask for them. Those that all have are everybody's, "".
func rolesOf(ctx context.Context, db *sql.DB) (map[who][]who, error) {
	all := make(map[who][]who)
	err := eachGrant(ctx, db, `SELECT User, Host, Role FROM mysql.roles_mapping`, func(w who, role string) {
		all[w] = append(all[w], who{user: role})
	})
	if err != nil {
		return nil, err
	}
	for _, q := range []string{ // MySQL's
		`SELECT TO_USER, TO_HOST, CONCAT(FROM_USER, '@', FROM_HOST) FROM mysql.role_edges`,
		`SELECT 'PUBLIC', '', @@GLOBAL.mandatory_roles`,
	} {
		err := eachGrant(ctx, db, q, func(w who, roles string) {
			if w != everybody {
				at := strings.LastIndexByte(roles, '@')
				all[w] = append(all[w], who{roles[:at], roles[at+1:]})
				return
			}
			for role := range strings.SplitSeq(roles, ",") {
				name, host, given := strings.Cut(strings.Map(unquoted, role), "@")
				if !given {
					host = "%"
				}
				all[w] = append(all[w], who{name, host})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// unquoted leaves out what quotes a name, and the space around it.
func unquoted(r rune) rune {
	if strings.ContainsRune("`'\" ", r) {
		return -1
	}
	return r
}
