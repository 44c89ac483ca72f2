package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/check"
	"dxfproxy/grants"
)

// grantFlags are the flags of check that ask for a script.
type grantFlags struct {
	print  bool
	on     []string
	family string
}

func (g *grantFlags) flags() flagGroup {
	fg := newGroup("Of check")
	fg.BoolVar(&g.print, "grants", false, "\tprint the statements, for mariadb -uroot -p")
	fg.StringSliceVar(&g.on, "grants-on", nil, "LIST\tschemas whose tables jobs may change\tall")
	fg.StringVar(&g.family, "family", "", "NAME\tmariadb or mysql, where no store answers\tmariadb")
	return fg
}

// families are the values of --family.
var families = map[string]grants.Family{"mariadb": grants.MariaDB, "mysql": grants.MySQL}

// printGrants prints the statements that make the accounts of nodes. The store
// need not let us in yet: whose server it is, it says in its greeting.
func printGrants(ctx context.Context, cfg config, g grantFlags, stdout, stderr io.Writer) error {
	all, err := storeDSNs(cfg.Store)
	if err != nil {
		return usagef("--store: %s", err)
	}
	c := all[0]
	if c.User == "" || c.User == "root" {
		return usagef("--grants: name an account of its own in --store, not %s: it is made with what nodes need, and no more", quote(c.User))
	}
	a := grants.Accounts{Work: grants.Account{User: c.User, Password: c.Passwd}, Host: "%"}
	if a.Meta, a.Trial, err = otherAccounts(cfg, c.FormatDSN()); err != nil {
		return err
	}
	for _, r := range []grants.Role{grants.Work, grants.Meta, grants.Trial} {
		if a.Of(r).Password == "" {
			return usagef("--grants: the %s account %s has no password", r, quote(a.Of(r).User))
		}
	}
	l := grants.Layout{Meta: cfg.MetaSchema, Users: g.on}
	name := strings.ToLower(g.family)
	if name == "" {
		if name = greetedBy(ctx, c); name == "" {
			name = "mariadb"
			fmt.Fprintf(stderr, "dxfproxy: note: the store %s does not answer; this is for MariaDB, see --family\n", c.Addr)
		}
	}
	family, ok := families[name]
	if !ok {
		return usagef("--family %s: one of mariadb, mysql", quote(g.family))
	}
	l.Family, a.Literal = family, literalSchemas(ctx, c)
	fmt.Fprintln(stderr, "dxfproxy: note: the script holds the passwords of the accounts; narrow '%' to the nodes' addresses where you can")
	for _, r := range []grants.Role{grants.Work, grants.Meta, grants.Trial} {
		fmt.Fprintf(stdout, "-- %s\n", roleNotes[r])
		for _, q := range l.Account(a, r) {
			fmt.Fprintln(stdout, q+";")
		}
	}
	return nil
}

// roleNotes say what each account is for.
var roleNotes = map[grants.Role]string{
	grants.Work:  "the account of --store: the jobs' work",
	grants.Meta:  "the account of --meta-account: the framework's own tables",
	grants.Trial: "the account of --trial-account: users' statements on empty copies of their tables",
}

// greetedBy asks the store whose server it is, by the greeting that comes before
// any login; "" if nobody answers.
func greetedBy(ctx context.Context, c *mysql.Config) string {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, c.Net, c.Addr)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	// Four bytes of header, the protocol's version, and the server's up to a zero.
	r := bufio.NewReaderSize(conn, 256)
	if head, err := r.Peek(5); err != nil || head[4] != 10 {
		return ""
	}
	_, _ = r.Discard(5)
	version, err := r.ReadSlice(0)
	if err == nil && strings.Contains(string(version), "MariaDB") {
		return "mariadb"
	} else if err == nil {
		return "mysql"
	}
	return ""
}

// literalSchemas reports whether the server takes schemas in grants for what they
// are, no patterns. An account that is not there yet cannot ask; it is not the default.
func literalSchemas(ctx context.Context, c *mysql.Config) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	db, err := check.Open(c.FormatDSN())
	if err != nil {
		return false
	}
	defer db.Close()
	var on bool
	return db.QueryRowContext(ctx, `SELECT @@partial_revokes`).Scan(&on) == nil && on
}
