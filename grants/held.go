package grants

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A grant is one line of SHOW GRANTS.
type grant struct {
	on         string // "*.*", "shop.*" or "shop.orders", the schema still a pattern
	privileges []string
	option     bool // WITH GRANT OPTION
	public     bool // everybody has it
}

// Held is what an account has.
type Held struct {
	grants []grant
	roles  []string // those it is a member of, whose grants may come and go
}

// Queryer is a pool or a connection.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Load reads what the session's account has, its active roles included.
func Load(ctx context.Context, q Queryer) (Held, error) {
	var h Held
	rows, err := q.QueryContext(ctx, `SHOW GRANTS`)
	if err != nil {
		return h, fmt.Errorf("read our account's grants: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return h, err
		}
		h.Add(line)
	}
	if err := rows.Err(); err != nil {
		return h, fmt.Errorf("read our account's grants: %w", err)
	}
	return h, nil
}

var (
	grantPattern = regexp.MustCompile("^GRANT (.*) ON (\\*\\.\\*|(?:`(?:[^`]|``)*`|\\S+?)\\.(?:`(?:[^`]|``)*`|\\S+)) TO (\\S+)")
	rolePattern  = regexp.MustCompile("^GRANT (`[^`]+`(?:@`[^`]*`)?) TO ")
	columns      = regexp.MustCompile(`\([^)]*\)`)
)

// Add reads one line of SHOW GRANTS.
func (h *Held) Add(line string) {
	m := grantPattern.FindStringSubmatch(line)
	if m == nil {
		if m = rolePattern.FindStringSubmatch(line); m != nil {
			h.roles = append(h.roles, m[1])
		}
		return
	}
	g := grant{
		on:     strings.ReplaceAll(m[2], "`", ""),
		option: strings.HasSuffix(line, " WITH GRANT OPTION"),
		public: strings.EqualFold(strings.Trim(m[3], "`"), "PUBLIC"),
	}
	for word := range strings.SplitSeq(columns.ReplaceAllString(m[1], "(columns)"), ",") {
		word = strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(word), "_", " "))
		if word != "USAGE" && word != "PROXY" {
			g.privileges = append(g.privileges, word)
		}
	}
	if strings.HasPrefix(m[1], "PROXY") || len(g.privileges) == 0 && !g.option {
		return
	}
	h.grants = append(h.grants, g)
}

// Has reports whether a privilege is held on a schema, or Everywhere.
func (h Held) Has(schema, privilege string) bool {
	for _, g := range h.grants {
		if g.covers(schema) && g.gives(privilege) {
			return true
		}
	}
	return false
}

// covers reports whether the grant is for all of the schema.
func (g grant) covers(schema string) bool {
	if g.on == "*.*" {
		return true
	}
	pattern, ok := strings.CutSuffix(g.on, ".*")
	return ok && schema != Everywhere && like(pattern, schema)
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

// Beyond lists what is held beside the needs, as a person reads it; what
// everybody has, by way of PUBLIC, is left out.
func (h Held) Beyond(needs []Need) (more []string) {
	for _, g := range h.grants {
		if g.public {
			continue
		}
		var extra []string
		for _, p := range g.privileges {
			if !slices.ContainsFunc(needs, func(n Need) bool {
				return strings.ReplaceAll(g.on, `\`, "") == n.Schema+".*" && slices.Contains(n.Privileges, p)
			}) {
				extra = append(extra, p)
			}
		}
		if g.option {
			extra = append(extra, "GRANT OPTION")
		}
		if len(extra) > 0 {
			more = append(more, fmt.Sprintf("%s on %s", strings.Join(extra, ", "), strings.ReplaceAll(g.on, `\`, "")))
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
		if s, ok := strings.CutSuffix(g.on, ".*"); ok && s != "*" {
			all = append(all, s)
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

// like is the server's own: % for any text, _ for any byte, \ before one that is
// meant.
func like(pattern, s string) bool {
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

// List is needs as a person reads them.
func List(needs []Need) string {
	var words []string
	for _, n := range needs {
		words = append(words, n.String())
	}
	return strings.Join(words, "; ")
}
