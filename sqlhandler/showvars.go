package sqlhandler

import (
	"context"
	"sort"
	"strings"

	"dxfproxy/protocol"
	"dxfproxy/sqltext"
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

func varColumns(st *sqltext.SelectVariables) []protocol.Column {
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

func columnOf(vc sqltext.VarColumn) protocol.Column {
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
func (h *Handler) selectVars(ctx context.Context, c *protocol.Conn, s *session, st *sqltext.SelectVariables) (protocol.Reply, error) {
	global, err := h.vars.read(ctx)
	if err != nil {
		return nil, err
	}
	var theirs []string
	for _, vc := range st.Columns {
		if vc.Var == nil {
			theirs = append(theirs, st.Of(vc.Span))
		}
	}
	asked := &protocol.ResultSet{}
	if len(theirs) > 0 {
		if asked, err = selectRow(ctx, c, theirs...); err != nil {
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
	if st.Limit.Has(0) {
		rs.Rows = [][]any{row}
	}
	return rs, nil
}

// showVariables answers SHOW [GLOBAL|SESSION] VARIABLES where one of ours may
// be meant: the store's rows and ours, by name.
func (h *Handler) showVariables(ctx context.Context, c *protocol.Conn, s *session, st *sqltext.ShowVariables) (protocol.Reply, error) {
	rows, err := h.ourVariables(ctx, c, s, st)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return protocol.Forward{}, nil
	}
	rs, err := c.Query(ctx, string(st.SQL()))
	if err != nil {
		return nil, err
	}
	if len(rs.Rows) == 0 && st.Where == "" {
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
func (h *Handler) ourVariables(ctx context.Context, c *protocol.Conn, s *session, st *sqltext.ShowVariables) ([][]any, error) {
	global, err := h.vars.read(ctx)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, v := range sysvars.All() {
		if !v.InShow(st.Form == sysvars.FormGlobal) || st.Like != nil && !like(strings.ToLower(*st.Like), v.Name) {
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
	if st.Where == "" || len(rows) == 0 {
		return rows, nil
	}
	// The expression is the store's to evaluate, on rows of ours.
	cols := []protocol.Column{{Name: "Variable_name"}, {Name: "Value"}}
	reply, err := filter(ctx, c, cols, rows, st.Where)
	if err != nil {
		return nil, err
	}
	return reply.Rows, nil
}

// like matches a LIKE pattern (with \ as the escape), in lower case, with one of
// our names. Only the last % is ever tried again, further on: what the earlier ones
// stand for need not change. So the work is at most the pattern's length times the
// name's, whatever the pattern.
func like(pattern, s string) bool {
	p, i := 0, 0
	again, from := -1, 0 // behind the last %; the text it stands for ends at from
	for i < len(s) || p < len(pattern) {
		switch n, ok := likeByte(pattern[p:], s[i:]); {
		case p < len(pattern) && pattern[p] == '%':
			p++
			again, from = p, i
		case ok:
			p, i = p+n, i+1
		case again >= 0 && from < len(s):
			from++
			p, i = again, from
		default:
			return false
		}
	}
	return true
}

// likeByte matches the first byte of s with the n bytes of a pattern that stand for
// one.
func likeByte(p, s string) (n int, ok bool) {
	if p == "" || s == "" {
		return 0, false
	}
	switch {
	case p[0] == '_':
		return 1, true
	case p[0] == '\\' && len(p) > 1:
		return 2, p[1] == s[0]
	}
	return 1, p[0] == s[0]
}
