package grants

import (
	"fmt"
	"slices"
	"strings"
)

// Held is what an account has.
type Held struct {
	grants []grant
	roles  []string // those it is a member of, as SHOW GRANTS FOR takes them
}

// File is the privilege to read files, which there is only Everywhere.
const File = "FILE"

// Has reports whether a privilege is held on a schema, or Everywhere.
func (h Held) Has(schema, privilege string) bool {
	for _, g := range h.grants {
		if g.table == "*" && g.covers(schema) && g.gives(privilege) && !g.revoked {
			return true
		}
	}
	return false
}

// May says whether the account has all the privileges on a table: on everything,
// on its schema, or on the table itself. Privileges on single columns do not
// count, and letters are the same in upper and lower case.
func (h Held) May(schema, table string, privileges ...string) bool {
	return !slices.ContainsFunc(privileges, func(p string) bool { return !h.may(p, schema, table) })
}

func (h Held) may(privilege, schema, table string) bool {
	everywhere, here, revoked := false, false, false
	for _, g := range h.grants {
		named := g.schema
		g.schema = strings.ToLower(g.schema)
		switch {
		case !g.gives(privilege), g.table != "*" && !strings.EqualFold(g.table, table):
		case g.revoked: // of this one schema: MySQL then takes _ and % for what they are
			revoked = revoked || named == schema
		case !g.covers(strings.ToLower(schema)):
		case g.schema == Everywhere:
			everywhere = true
		default:
			here = true
		}
	}
	return here || everywhere && !revoked
}

// Any reports whether any privilege is held on a table, its schema or everywhere.
func (h Held) Any(schema, table string) bool {
	return slices.ContainsFunc(h.grants, func(g grant) bool {
		g.schema = strings.ToLower(g.schema)
		return !g.revoked && g.covers(strings.ToLower(schema)) && (g.table == "*" || strings.EqualFold(g.table, table))
	})
}

// covers reports whether the grant reaches into a schema; only one on all
// reaches Everywhere.
func (g grant) covers(schema string) bool {
	return g.schema == Everywhere || schema != Everywhere && Like(g.schema, schema)
}

func (g grant) gives(privilege string) bool {
	for _, p := range g.privileges {
		// SUPER ends sessions in MySQL, and in MariaDB before 10.11.
		if p == privilege || p == "ALL PRIVILEGES" || p == "SUPER" && privilege == "CONNECTION ADMIN" {
			return true
		}
	}
	return false
}

// Lacks lists what is missing of the needs.
func (h Held) Lacks(needs []Need) (missing []Need) {
	for _, n := range needs {
		var lacks []string
		for _, p := range n.Privileges {
			if !h.Has(n.Schema, p) {
				lacks = append(lacks, p)
			}
		}
		if len(lacks) > 0 {
			missing = append(missing, Need{n.Schema, lacks})
		}
	}
	return missing
}

// beyond lists what is held beside the needs, as a person reads it; what
// everybody has, by way of PUBLIC, is left out.
func (h Held) beyond(needs []Need) (more []string) {
	for _, g := range h.grants {
		if g.public || g.revoked {
			continue
		}
		var extra []string
		for _, p := range g.privileges {
			if !slices.ContainsFunc(needs, func(n Need) bool {
				return g.on() == n.Schema+".*" && slices.Contains(n.Privileges, p)
			}) {
				extra = append(extra, p)
			}
		}
		if g.option {
			extra = append(extra, "GRANT OPTION")
		}
		if len(extra) > 0 {
			more = append(more, fmt.Sprintf("%s on %s", strings.Join(extra, ", "), g.on()))
		}
	}
	for _, r := range h.roles {
		more = append(more, "the role "+r)
	}
	return more
}

// Option reports whether the account may grant what it has.
func (h Held) Option() bool {
	return slices.ContainsFunc(h.grants, func(g grant) bool { return g.option })
}

// Schemas lists the schemas, or patterns of them, with grants of their own.
func (h Held) Schemas() (all []string) {
	for _, g := range h.grants {
		if g.table == "*" && g.schema != Everywhere {
			all = append(all, g.schema)
		}
	}
	return all
}

// String is a need as a person reads it.
func (n Need) String() string {
	on := "`" + n.Schema + "`.*"
	if n.Schema == Everywhere {
		on = "*.*"
	}
	return strings.Join(n.Privileges, ", ") + " on " + on
}

// Like is how the server takes schemas in grants and hosts of accounts: % for any text, _ for
// any byte, \ before one that is meant.
func Like(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '%':
			star, mark = p, i
			p++
			continue
		case p+1 < len(pattern) && pattern[p] == '\\' && pattern[p+1] == s[i]:
			p, i = p+2, i+1
			continue
		case p < len(pattern) && pattern[p] != '\\' && (pattern[p] == '_' || pattern[p] == s[i]):
			p, i = p+1, i+1
			continue
		case star >= 0:
			mark++
			p, i = star+1, mark
			continue
		}
		return false
	}
	for p < len(pattern) && pattern[p] == '%' {
		p++
	}
	return p == len(pattern)
}

// list is needs as a person reads them.
func list(needs []Need) string {
	var words []string
	for _, n := range needs {
		words = append(words, n.String())
	}
	return strings.Join(words, "; ")
}
