package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/grants"
	"dxfproxy/server"
)

// A login is an account of the store's, as far as it matters who may come in by it.
type login struct {
	user, host string
	open       bool // without a password
	powers     bool // it has privileges on everything
}

func (l login) String() string { return grants.Quote(l.user) + "@" + grants.Quote(l.host) }

// passwordPlugins are those that let somebody in without a password when they keep
// none. The others look at something else than a password.
var passwordPlugins = []string{"", "mysql_native_password", "mysql_old_password", "caching_sha2_password", "sha256_password", "ed25519", "parsec"}

// logins lists the store's accounts; known is false where ours may not see them. Meta is
// the schema of the framework's own tables.
func logins(ctx context.Context, db *sql.DB, meta string) (all []login, known bool, err error) {
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
		all[i].powers = powers[everybody] || powers[who{l.user, l.host}]
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

func mariaDBLogins(ctx context.Context, db *sql.DB, global map[who]bool) (all []login, err error) {
	rows, err := db.QueryContext(ctx, `SELECT User, Host, Priv FROM mysql.global_priv ORDER BY User, Host`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l login
		var text []byte
		if err := rows.Scan(&l.user, &l.host, &text); err != nil {
			return nil, err
		}
		var a authentication
		if err := json.Unmarshal(text, &a); err != nil {
			return nil, fmt.Errorf("account %s: %w", l, err)
		}
		global[who{l.user, l.host}] = a.Access != 0
		if l.open = a.open(); !a.Role && l.user != everybody.user {
			all = append(all, l)
		}
	}
	return all, rows.Err()
}

func mySQLLogins(ctx context.Context, db *sql.DB, global map[who]bool) (all []login, err error) {
	rows, err := db.QueryContext(ctx, `SELECT User, Host, plugin, COALESCE(authentication_string, ''),
		account_locked = 'Y' OR ssl_type IN ('X509', 'SPECIFIED') FROM mysql.user ORDER BY User, Host`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l login
		var plugin, secret string
		var shut bool
		if err := rows.Scan(&l.user, &l.host, &plugin, &secret, &shut); err != nil {
			return nil, err
		}
		l.open = !shut && secret == "" && slices.Contains(passwordPlugins, plugin)
		all = append(all, l)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	powers := make(map[string]bool) // these have no escapes in their names
	err = eachGrant(ctx, db, `SELECT DISTINCT '', '', GRANTEE FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE <> 'USAGE'`,
		func(_ who, grantee string) { powers[grantee] = true })
	for _, l := range all {
		global[who{l.user, l.host}] = powers["'"+l.user+"'@'"+l.host+"'"]
	}
	return all, err
}

// localHosts are the names by which a server knows clients of its own machine.
var localHosts = []string{"localhost", "127.0.0.1", "::1"}

// reachableBy returns whether an account can be had through this node, whose address
// the store sees as seen. With a PROXY header it sees the clients' own.
func (l login) reachableBy(seen string, proxied bool) bool {
	if proxied {
		return !slices.Contains(localHosts, l.host)
	}
	hosts := []string{seen}
	if slices.Contains(localHosts, seen) {
		hosts = localHosts
	}
	network, mask, masked := strings.Cut(l.host, "/")
	return slices.ContainsFunc(hosts, func(host string) bool {
		if ip, in, bits := net.ParseIP(host), net.ParseIP(network), net.ParseIP(mask); masked && ip != nil && in != nil && bits != nil {
			return ip.Mask(net.IPMask(bits.To4())).Equal(in)
		}
		if _, block, err := net.ParseCIDR(l.host); err == nil { // MySQL's
			return block.Contains(net.ParseIP(host))
		}
		return grants.Like(strings.ToLower(l.host), strings.ToLower(host))
	})
}

// errPasswordless is an account that everybody would have who reaches this node.
type errPasswordless struct {
	addr     string
	accounts []string
}

func (e errPasswordless) Error() string {
	return fmt.Sprintf("listen on %s: the store lets %s in without a password, and so would this node everybody who reaches it",
		e.addr, strings.Join(e.accounts, " and "))
}

// mend is the statements that give the accounts passwords.
func (e errPasswordless) mend() string {
	var all []string
	for _, a := range e.accounts {
		all = append(all, fmt.Sprintf("ALTER USER %s IDENTIFIED BY '…';", a))
	}
	return strings.Join(all, " ") + " or listen on 127.0.0.1"
}

// refusePasswordless refuses to open an address to the network before a store in which
// anybody can be somebody with powers. Clients that need a certificate are not anybody.
func refusePasswordless(ctx context.Context, cfg config, at net.Addr, dsn string) error {
	if at.(*net.TCPAddr).IP.IsLoopback() || cfg.TLSCA != "" && cfg.RequireSecureTransport {
		return nil
	}
	db, err := openPlain(dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	var seen string
	if err := db.QueryRowContext(ctx, `SELECT SUBSTRING_INDEX(USER(), '@', -1)`).Scan(&seen); err != nil {
		return nil // whoever needs the store will say so
	}
	all, known, err := logins(ctx, db, cfg.MetaSchema)
	if err != nil {
		return err
	}
	if !known {
		return refuseOpenRoot(ctx, at, dsn)
	}
	no := errPasswordless{addr: at.String()}
	for _, l := range all {
		if l.open && l.powers && l.reachableBy(seen, cfg.StoreProxyProtocol != "") {
			no.accounts = append(no.accounts, l.String())
		}
	}
	if len(no.accounts) > 0 {
		return no
	}
	return nil
}

// refuseOpenRoot tries the one account that every store has.
func refuseOpenRoot(ctx context.Context, at net.Addr, dsn string) error {
	db, err := openAs(dsn, grants.Account{User: "root"})
	if err != nil {
		return err
	}
	defer db.Close()
	var who string
	if db.QueryRowContext(ctx, `SELECT CURRENT_USER()`).Scan(&who) == nil {
		return errPasswordless{at.String(), []string{grants.QuoteAccount(who)}}
	}
	return nil
}

// openAs is the same for another account.
func openAs(dsn string, a grants.Account) (*sql.DB, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the store's DSN: %w", err)
	}
	c.User, c.Passwd = a.User, a.Password
	return openPlain(c.FormatDSN())
}

// openPlain is a pool in no schema, and silent.
func openPlain(dsn string) (*sql.DB, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the store's DSN: %w", err)
	}
	c.DBName, c.Logger = "", &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("read the store's DSN: %w", err)
	}
	return sql.OpenDB(connector), nil
}
