// Package grants says what an account of the store may do, read from the
// server's own SHOW GRANTS. A job is its submitter's act for as long as it runs,
// not only at the moment of the statement: before each step the owner asks here
// whether the submitter could still do it.
//
// What is read is the most that an account can have: roles count whether they
// are active or not. So a privilege that is missing here has been taken away.
package grants

import (
	"strings"
)

// A Set is the grants of an account, its roles' among them.
type Set struct {
	grants []grant
	roles  []string // as SHOW GRANTS FOR takes them
}

// grant is one line of SHOW GRANTS that names privileges.
type grant struct {
	privileges []string // upper case, without column lists
	schema     string   // a pattern of LIKE; "*" for all
	table      string   // "*" for all
	revoked    bool     // MySQL's partial revokes: REVOKE … FROM
}

// May says whether the account has all the privileges on a table: on
// everything, on the schema, or on the table itself. Privileges on single
// columns do not count.
func (s Set) May(schema, table string, privileges ...string) bool {
	for _, p := range privileges {
		if !s.has(p, schema, table) {
			return false
		}
	}
	return true
}

func (s Set) has(privilege, schema, table string) bool {
	everywhere, here, revoked := false, false, false
	for _, g := range s.grants {
		if !g.names(privilege) || !g.covers(schema, table) {
			continue
		}
		switch {
		case g.revoked:
			revoked = true
		case g.schema == "*":
			everywhere = true
		default:
			here = true
		}
	}
	return here || everywhere && !revoked
}

func (g grant) names(privilege string) bool {
	for _, p := range g.privileges {
		if p == privilege || p == "ALL PRIVILEGES" {
			return true
		}
	}
	return false
}

func (g grant) covers(schema, table string) bool {
	return (g.schema == "*" || like(strings.ToLower(g.schema), strings.ToLower(schema))) &&
		(g.table == "*" || strings.EqualFold(g.table, table))
}

// like matches a schema's name with the pattern of a grant: % and _ as in LIKE,
// a backslash makes the next character itself. The last % that was met is the
// only place to come back to, so it takes len(pattern)*len(s) steps at most.
func like(pattern, s string) bool {
	p, i, star, from := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '%':
			star, from = p, i
			p++
			continue
		case p < len(pattern) && pattern[p] == '_':
			p, i = p+1, i+1
			continue
		case p+1 < len(pattern) && pattern[p] == '\\' && pattern[p+1] == s[i]:
			p, i = p+2, i+1
			continue
		case p < len(pattern) && pattern[p] != '\\' && pattern[p] == s[i]:
			p, i = p+1, i+1
			continue
		}
		if star < 0 {
			return false
		}
		from++
		p, i = star+1, from
	}
	for p < len(pattern) && pattern[p] == '%' {
		p++
	}
	return p == len(pattern)
}

// add reads one line of SHOW GRANTS. What names neither privileges on tables nor
// roles (PROXY, SET DEFAULT ROLE, routines) is passed over.
func (s *Set) add(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	target := " TO "
	if verb == "REVOKE" {
		target = " FROM "
	}
	end := find(rest, target)
	if (verb != "GRANT" && verb != "REVOKE") || end < 0 {
		return
	}
	rest = rest[:end]
	on := find(rest, " ON ")
	if on < 0 {
		if verb == "GRANT" {
			s.roles = append(s.roles, split(rest)...)
		}
		return
	}
	level := rest[on+len(" ON "):]
	dot := find(level, ".")
	if dot < 0 {
		return
	}
	g := grant{schema: unquote(level[:dot]), table: unquote(level[dot+1:]), revoked: verb == "REVOKE"}
	for _, p := range split(rest[:on]) {
		if strings.IndexByte(p, '(') < 0 { // else of columns
			g.privileges = append(g.privileges, strings.ToUpper(p))
		}
	}
	s.grants = append(s.grants, g)
}

// find returns where what stands in s outside of quotes and parentheses; -1 if
// nowhere.
func find(s, what string) int {
	depth := 0
	var quote byte
	for i := range len(s) {
		c := s[i]
		switch {
		case quote != 0: // a doubled one closes and opens again
			if c == quote {
				quote = 0
			}
		case depth == 0 && strings.HasPrefix(s[i:], what):
			return i
		case c == '`' || c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
	}
	return -1
}

// split cuts a list at its commas.
func split(list string) []string {
	var parts []string
	for {
		at := find(list, ",")
		if at < 0 {
			return append(parts, strings.TrimSpace(list))
		}
		parts = append(parts, strings.TrimSpace(list[:at]))
		list = list[at+1:]
	}
}

func unquote(name string) string {
	if len(name) < 2 || name[0] != '`' {
		return name
	}
	return strings.ReplaceAll(name[1:len(name)-1], "``", "`")
}
