package grants

import "strings"

// A grant is one line of SHOW GRANTS that names privileges.
type grant struct {
	privileges []string // as MariaDB writes them; "UPDATE (COLUMNS)" is one on columns alone
	schema     string   // a pattern of the server's; Everywhere for all
	table      string   // "*" for all
	option     bool     // WITH GRANT OPTION
	public     bool     // everybody has it
	revoked    bool     // MySQL's partial revokes: REVOKE … FROM
}

// on is what the grant is on, as a person reads it.
func (g grant) on() string { return strings.ReplaceAll(g.schema, `\`, "") + "." + g.table }

// Add reads one line of SHOW GRANTS. What names neither privileges on tables nor
// roles (PROXY, SET DEFAULT ROLE, routines) is passed over.
func (h *Held) Add(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	target := " TO "
	if verb == "REVOKE" {
		target = " FROM "
	}
	end := find(rest, target)
	if (verb != "GRANT" && verb != "REVOKE") || end < 0 {
		return
	}
	who := rest[end+len(target):]
	rest = rest[:end]
	on := find(rest, " ON ")
	if on < 0 {
		if verb == "GRANT" {
			h.roles = append(h.roles, split(rest)...)
		}
		return
	}
	level := rest[on+len(" ON "):]
	dot := find(level, ".")
	if dot < 0 {
		return
	}
	g := grant{
		schema: unquote(level[:dot]), table: unquote(level[dot+1:]),
		option: strings.HasSuffix(who, " WITH GRANT OPTION"),
		public: strings.EqualFold(strings.Trim(who, "`"), everybody), revoked: verb == "REVOKE",
	}
	for _, p := range split(rest[:on]) {
		if at := strings.IndexByte(p, '('); at >= 0 {
			p = p[:at] + "(columns)"
		}
		if p = strings.ToUpper(strings.ReplaceAll(p, "_", " ")); p != "USAGE" {
			g.privileges = append(g.privileges, p)
		}
	}
	if len(g.privileges) > 0 || g.option {
		h.grants = append(h.grants, g)
	}
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
		return name // * for all
	}
	if name == "`*`" {
		return `\*`
	}
	return strings.ReplaceAll(name[1:len(name)-1], "``", "`")
}
