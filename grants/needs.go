// Package grants is what the accounts of a node need in its store: one table of
// privileges, the statements that grant them, and the reading of SHOW GRANTS.
//
// A node comes to its store by three accounts, so that each mistake reaches no
// further than one of them may:
//
//	work   does what jobs do to the users' tables, and writes its checkpoints
//	meta   owns the framework's own tables: owner, leases, tasks, nodes
//	trial  runs users' statements, on empty copies in the scratch schema
//
// The trial account can make no table, fill none, rename none and see none outside
// the scratch schema: a statement that means more than we understood is refused by the store.
//
// It also tells what a user has: a job is its submitter's act for as long as it
// runs, and before each step the owner asks whether he could still do it.
package grants

import "slices"

// Family is whose server the store is.
type Family int

// The families of servers that jobs run on.
const (
	MariaDB Family = iota
	MySQL
)

// Role is what an account is for.
type Role int

// The roles of a node's accounts.
const (
	Work Role = iota
	Meta
	Trial
)

func (r Role) String() string { return [...]string{"work", "meta", "trial"}[r] }

// Everywhere is the scope of a grant on *.*.
const Everywhere = "*"

// A Need is privileges on a schema, or Everywhere.
type Need struct {
	Schema     string
	Privileges []string // as MariaDB writes them: "CONNECTION ADMIN"
}

// Layout is what a store holds, and whose it is.
type Layout struct {
	Family Family
	Meta   string   // the meta schema
	Users  []string // schemas whose tables jobs may change; none: all
}

// Scratch is the schema of empty copies that belongs to a meta schema.
func Scratch(meta string) string { return meta + "_scratch" }

// onTables is what the jobs need on users' tables. Without TRIGGER the account
// would not see that a table has some, and they would go with the old table when a
// new one takes its place. FILE is not needed: files come from the nodes.
var onTables = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER", "LOCK TABLES"}

// Needs lists what an account must have for its role, and the trial account may
// not have more than. A schema may come twice.
func (l Layout) Needs(r Role) []Need {
	switch r {
	case Meta:
		return []Need{{l.Meta, []string{"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "CREATE VIEW"}}}
	case Trial:
		return []Need{{Scratch(l.Meta), []string{"SELECT", "ALTER", "INDEX"}}}
	}
	needs := []Need{l.global()}
	users := l.Users
	if len(users) == 0 {
		users = []string{Everywhere}
	}
	for _, s := range users {
		needs = append(needs, Need{s, onTables})
	}
	return append(needs, l.ours()...)
}

// OnTables reports whether a need is on tables of users, wherever they are.
func (l Layout) OnTables(n Need) bool {
	return n.Schema == Everywhere && slices.Contains(onTables, n.Privileges[0])
}

// global is what the work account needs that there is only for all schemas: to
// read the binlog, to see who holds a lock, and to end whom the user said to end. MySQL has
// privileges of their own for XA RECOVER, by which we see who will hold a lock for long, and
// for settings of our sessions (max_error_count) that in MariaDB are everybody's.
func (l Layout) global() Need {
	if l.Family == MySQL {
		return Need{Everywhere, []string{
			"REPLICATION SLAVE", "REPLICATION CLIENT", "PROCESS", "CONNECTION ADMIN", "XA RECOVER ADMIN", "SESSION VARIABLES ADMIN",
		}}
	}
	return Need{Everywhere, []string{"REPLICATION SLAVE", "BINLOG MONITOR", "PROCESS", "CONNECTION ADMIN"}}
}

// ours is what the work account needs beside users' tables: checkpoints go into
// the transactions of the data, empty copies are made and dropped for the trial
// account, and grants are looked at that a job's user may have lost.
func (l Layout) ours() []Need {
	needs := []Need{
		{l.Meta, []string{"SELECT", "INSERT", "UPDATE", "DELETE"}},
		{Scratch(l.Meta), []string{"SELECT", "CREATE", "DROP"}},
		{"mysql", []string{"SELECT"}},
	}
	if l.Family == MySQL { // holders of metadata locks, and threads of sessions
		needs = append(needs, Need{"performance_schema", []string{"SELECT"}})
	}
	return needs
}

// without drops from needs what another of them grants everywhere.
func without(needs []Need) []Need {
	var all []string
	for _, n := range needs {
		if n.Schema == Everywhere {
			all = append(all, n.Privileges...)
		}
	}
	var left []Need
	for _, n := range needs {
		if n.Schema != Everywhere {
			n.Privileges = slices.DeleteFunc(slices.Clone(n.Privileges), func(p string) bool { return slices.Contains(all, p) })
		}
		if len(n.Privileges) > 0 {
			left = append(left, n)
		}
	}
	return left
}
