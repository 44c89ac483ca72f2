package grants

import (
	"fmt"
	"slices"
	"strings"
)

// An Account is who logs in to the store.
type Account struct {
	User, Password string
}

// Accounts are a node's accounts.
type Accounts struct {
	Work, Meta, Trial Account
	Host              string // from where they come, as '%'
	// Literal: the server takes _ and % in a schema's name for what they are (MySQL with
	// partial_revokes).
	Literal bool
}

// Of is the account of a role.
func (a Accounts) Of(r Role) Account { return [...]Account{a.Work, a.Meta, a.Trial}[r] }

// Script lists the statements that make the accounts and grant them what they need.
func (l Layout) Script(a Accounts) (script []string) {
	for _, r := range []Role{Work, Meta, Trial} {
		script = append(script, l.Account(a, r)...)
	}
	return script
}

// Account lists the statements that make the account of a role and grant it what it needs.
func (l Layout) Account(a Accounts, r Role) []string {
	script := []string{fmt.Sprintf("CREATE USER IF NOT EXISTS %s IDENTIFIED BY %s", a.name(r), Quote(a.Of(r).Password))}
	for _, n := range without(l.Needs(r)) {
		script = append(script, l.Grant(n, a.name(r), a.Literal))
	}
	return script
}

// Grant is the statement that grants an account, as SQL takes it, what it needs.
func (l Layout) Grant(n Need, account string, literal bool) string {
	scope := "*.*"
	if n.Schema != Everywhere {
		scope = Scope(n.Schema, literal)
	}
	return fmt.Sprintf("GRANT %s ON %s TO %s", l.Family.privileges(n.Privileges), scope, account)
}

func (a Accounts) name(r Role) string { return Quote(a.Of(r).User) + "@" + Quote(a.Host) }

// Scope is a schema as GRANT takes it, where _ and % stand for others unless literal.
func Scope(schema string, literal bool) string {
	name := strings.ReplaceAll(schema, "`", "``")
	if !literal {
		name = strings.NewReplacer(`\`, `\\`, `_`, `\_`, `%`, `\%`).Replace(name)
	}
	return "`" + name + "`.*"
}

// privileges is a list as the family writes it.
func (f Family) privileges(list []string) string {
	words := slices.Clone(list)
	for i, p := range words {
		if f == MySQL && strings.HasSuffix(p, " ADMIN") { // a dynamic one
			words[i] = strings.ReplaceAll(p, " ", "_")
		}
	}
	return strings.Join(words, ", ")
}

// Quote writes a string as SQL takes it under the default sql_mode.
func Quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// QuoteAccount writes user@host, as CURRENT_USER() returns it, as SQL takes it.
func QuoteAccount(who string) string {
	at := strings.LastIndexByte(who, '@')
	if at < 0 {
		return Quote(who)
	}
	return Quote(who[:at]) + "@" + Quote(who[at+1:])
}
