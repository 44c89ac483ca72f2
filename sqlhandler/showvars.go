package sqlhandler

import (
	"context"
	"sort"
	"strings"

	"dxfproxy/protocol"
	"dxfproxy/sysvars"
)

// valueOf is a variable's value in a scope, for the session that asks.
func (h *Handler) valueOf(v *sysvars.Var, scope sysvars.Scope, s *session, global map[string]string) string {
	switch scope {
	case sysvars.Session:
		return s.value(v)
	case sysvars.Instance:
		return h.vars.instanceValue(v)
	}
	return valueIn(global, v)
}

func varColumns(st Statement) []protocol.Column {
	var cols []protocol.Column
	for _, vc := range st.Columns {
		col := protocol.Column{Name: vc.Label, Length: 1024}
		if vc.Var != nil {
			col = columnOf(vc)
		}
		cols = append(cols, col)
	}
	return cols
}

// unsignedFlag is UNSIGNED_FLAG of a column definition.
const unsignedFlag = 32

func columnOf(vc VarColumn) protocol.Column {
	m := vc.Var.Column()
	col := protocol.Column{Name: vc.Label, Length: m.Length}
	if m.Length == 0 {
		col.Length = protocol.NoLength
	}
	switch m.Type {
	case sysvars.BigInt:
		col.Type = protocol.TypeLongLong
	case sysvars.BigIntUnsigned:
		col.Type, col.Flags = protocol.TypeLongLong, unsignedFlag
	}
	return col
}

// selectVars answers SELECT @@x [, @@y …]. The store is asked for the columns
// that are its own.
func (h *Handler) selectVars(ctx context.Context, c *protocol.Conn, s *session, sql []byte, st Statement) (protocol.Reply, error) {
	global, err := h.vars.read(ctx)
	if err != nil {
		return nil, err
	}
	var theirs []string
	for _, vc := range st.Columns {
		if vc.Var == nil {
			theirs = append(theirs, string(vc.Span.Of(sql)))
		}
	}
	asked := &protocol.ResultSet{}
	if len(theirs) > 0 {
		if asked, err = c.Query(ctx, "SELECT "+strings.Join(theirs, ", ")); err != nil {
			return nil, err
		}
	}
	rs := &protocol.ResultSet{}
	var row []any
	next := 0
	for _, vc := range st.Columns {
		if vc.Var == nil {
			col := asked.Columns[next]
			col.Name = vc.Label
			rs.Columns = append(rs.Columns, col)
			row = append(row, asked.Rows[0][next])
			next++
			continue
		}
		scope, refused := vc.Var.CheckRead(vc.Form)
		if refused != nil {
			return nil, refusal(refused)
		}
		rs.Columns = append(rs.Columns, columnOf(vc))
		row = append(row, vc.Var.Select(h.valueOf(vc.Var, scope, s, global)))
	}
	if !st.HasLimit || st.Limit > 0 && st.Offset == 0 {
		rs.Rows = [][]any{row}
	}
	return rs, nil
}

// showVariables answers SHOW [GLOBAL|SESSION] VARIABLES where one of ours may
// be meant: the store's rows and ours, by name.
func (h *Handler) showVariables(ctx context.Context, c *protocol.Conn, s *session, sql []byte, st Statement) (protocol.Reply, error) {
	rows, err := h.ourVariables(ctx, c, s, sql, st)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return protocol.Forward{}, nil
	}
	rs, err := c.Query(ctx, string(st.Text.Of(sql)))
	if err != nil {
		return nil, err
	}
	if len(rs.Rows) == 0 && !st.Where.Has() {
		announce(rs.Columns, rows)
	}
	rs.Rows = append(rs.Rows, rows...)
	sort.SliceStable(rs.Rows, func(i, j int) bool { return field(rs, i, 0) < field(rs, j, 0) })
	return rs, nil
}

// announce gives the columns of a result with rows of ours alone the lengths
// TiDB gives them.
func announce(cols []protocol.Column, rows [][]any) {
	for i := range cols {
		longest := 0
		for _, r := range rows {
			if s, ok := r[i].(string); ok {
				longest = max(longest, len(s))
			}
		}
		cols[i].Length = sysvars.ShowWidth(longest)
	}
}

// ourVariables are the rows of ours that the statement asks for.
func (h *Handler) ourVariables(ctx context.Context, c *protocol.Conn, s *session, sql []byte, st Statement) ([][]any, error) {
	global, err := h.vars.read(ctx)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, v := range sysvars.All() {
		if !v.InShow(st.Form == sysvars.FormGlobal) || st.HasLk && !like(st.Like, v.Name) {
			continue
		}
		form := sysvars.Plain
		if st.Form == sysvars.FormGlobal {
			form = sysvars.FormGlobal
		}
		scope, refused := v.CheckRead(form)
		if refused != nil {
			continue
		}
		rows = append(rows, []any{v.Name, v.Show(h.valueOf(v, scope, s, global))})
	}
	if !st.Where.Has() || len(rows) == 0 {
		return rows, nil
	}
	// The expression is the store's to evaluate, on rows of ours.
	cols := []protocol.Column{{Name: "Variable_name"}, {Name: "Value"}}
	reply, err := filter(ctx, c, cols, rows, string(st.Where.Of(sql)))
	if err != nil {
		return nil, err
	}
	return reply.Rows, nil
}

// like matches a LIKE pattern (with \ as the escape) without regard to case,
// as SHOW does.
func like(pattern, s string) bool {
	return likeFold(strings.ToLower(pattern), s)
}

func likeFold(p, s string) bool {
	for p != "" {
		switch p[0] {
		case '%':
			for i := 0; i <= len(s); i++ {
				if likeFold(p[1:], s[i:]) {
					return true
				}
			}
			return false
		case '_':
			if s == "" {
				return false
			}
		case '\\':
			if len(p) > 1 {
				p = p[1:]
			}
			fallthrough
		default:
			if s == "" || p[0] != s[0] {
				return false
			}
		}
		p, s = p[1:], s[1:]
	}
	return s == ""
}
