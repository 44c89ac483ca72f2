package check

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"

	"dxfproxy/grants"
	"dxfproxy/server"
)

// A Login is an account of the store's, as far as it matters who may come in by it.
type Login struct {
	User, Host string
	Open       bool // without a password
	Powers     bool // it has privileges on everything
}

func (l Login) String() string { return grants.Quote(l.User) + "@" + grants.Quote(l.Host) }

// passwordPlugins are those that let somebody in without a password when they keep
// none. The others look at something else than a password.
var passwordPlugins = []string{
	"", "mysql_native_password", "mysql_old_password", "caching_sha2_password", "sha256_password", "ed25519", "parsec",
}

// Logins lists the store's accounts; known is false where ours may not see them. Meta is
// the schema of the framework's own tables.
func Logins(ctx context.Context, db *sql.DB, meta string) (all []Login, known bool, err error) {
	global := make(map[who]bool)
	all, err = mariaDBLogins(ctx, db, global)
	if server.IsErr(err, server.ErrNoSuchTable) { // not MariaDB
		all, err = mySQLLogins(ctx, db, global)
	}
	if server.Denied(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read the store's accounts: %w", err)
	}
	powers, err := powerful(ctx, db, meta, global)
	if err != nil {
		return nil, false, err
	}
	for i, l := range all {
		all[i].Powers = powers[everybody] || powers[who{l.User, l.Host}]
	}
	return all, true, nil
}

// An authentication is how MariaDB keeps one way in, in mysql.global_priv. An empty
// one among the alternatives stands for the account's first.
type authentication struct {
	Plugin *string          `json:"plugin"`
	Secret string           `json:"authentication_string"`
	Or     []authentication `json:"auth_or"`
	Role   bool             `json:"is_role"`
	Locked bool             `json:"account_locked"`
	TLS    int              `json:"ssl_type"` // 2 and 3 ask for a certificate
	Access uint64           `json:"access"`   // bits, one for each privilege on everything
}

func (a authentication) open() bool {
	if a.Locked || a.TLS >= 2 {
		return false
	}
	if a.Or == nil {
		a.Or = []authentication{{}}
	}
	return slices.ContainsFunc(a.Or, func(way authentication) bool {
		if way.Plugin == nil {
			way = a
		}
		plugin := ""
		if way.Plugin != nil {
			plugin = *way.Plugin
		}
		return way.Secret == "" && slices.Contains(passwordPlugins, plugin)
	})
}

func mariaDBLogins(ctx context.Context, db *sql.DB, global map[who]bool) (all []Login, err error) {
	rows, err := db.QueryContext(ctx, `SELECT User, Host, Priv FROM mysql.global_priv ORDER BY User, Host`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Login
		var text []byte
		if err := rows.Scan(&l.User, &l.Host, &text); err != nil {
			return nil, err
		}
		var a authentication
		if err := json.Unmarshal(text, &a); err != nil {
			return nil, fmt.Errorf("account %s: %w", l, err)
		}
		global[who{l.User, l.Host}] = a.Access != 0
		if l.Open = a.open(); !a.Role && l.User != everybody.user {
			all = append(all, l)
		}
	}
	return all, rows.Err()
}

func mySQLLogins(ctx context.Context, db *sql.DB, global map[who]bool) (all []Login, err error) {
	rows, err := db.QueryContext(ctx, `SELECT User, Host, plugin, COALESCE(authentication_string, ''),
		account_locked = 'Y' OR ssl_type IN ('X509', 'SPECIFIED') FROM mysql.user ORDER BY User, Host`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l Login
		var plugin, secret string
		var shut bool
		if err := rows.Scan(&l.User, &l.Host, &plugin, &secret, &shut); err != nil {
			return nil, err
		}
		l.Open = !shut && secret == "" && slices.Contains(passwordPlugins, plugin)
		all = append(all, l)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	powers := make(map[string]bool) // these have no escapes in their names
	err = eachGrant(ctx, db, `SELECT DISTINCT '', '', GRANTEE FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE <> 'USAGE'`,
		func(_ who, grantee string) { powers[grantee] = true })
	for _, l := range all {
		global[who{l.User, l.Host}] = powers["'"+l.User+"'@'"+l.Host+"'"]
	}
	return all, err
}

// localHosts are the names by which a server knows clients of its own machine.
var localHosts = []string{"localhost", "127.0.0.1", "::1"}

// ReachableBy returns whether an account can be had through this node, whose address
// the store sees as seen. With a PROXY header it sees the clients' own.
func (l Login) ReachableBy(seen string, proxied bool) bool {
	if proxied {
		return !slices.Contains(localHosts, l.Host)
	}
	hosts := []string{seen}
	if slices.Contains(localHosts, seen) {
		hosts = localHosts
	}
	network, mask, masked := strings.Cut(l.Host, "/")
	return slices.ContainsFunc(hosts, func(host string) bool {
		if ip, in, bits := net.ParseIP(host), net.ParseIP(network), net.ParseIP(mask); masked && ip != nil && in != nil && bits != nil {
			return ip.Mask(net.IPMask(bits.To4())).Equal(in)
		}
		if _, block, err := net.ParseCIDR(l.Host); err == nil { // MySQL's
			return block.Contains(net.ParseIP(host))
		}
		return grants.Like(strings.ToLower(l.Host), strings.ToLower(host))
	})
}
