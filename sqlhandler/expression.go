package sqlhandler

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"dxfproxy/protocol"
	"dxfproxy/sqltext"
	"dxfproxy/sysvars"
)

// writeVars puts the values of our variables into the text, in the place of
// their names. A column of the result keeps the name it would have had. read gives
// the global values.
func (h *Handler) writeVars(s *session, text []byte, refs []sqltext.VarRef, m sqltext.Mode, read func() (map[string]string, error)) ([]byte, error) {
	if len(refs) == 0 {
		return text, nil
	}
	global, err := read()
	if err != nil {
		return nil, err
	}
	edits := sqltext.SelectLabels(text, refs, m)
	for _, r := range refs {
		scope, refused := r.Var.CheckRead(r.Form)
		if refused != nil {
			return nil, refusal(refused)
		}
		edits = append(edits, sqltext.Edit{Span: r.Span, Text: varLiteral(r.Var, r.Var.Select(h.valueOf(r.Var, scope, s, global)))})
	}
	return sqltext.Apply(text, edits), nil
}

// writeVarsIn is writeVars for a part of a statement: an expression.
func (h *Handler) writeVarsIn(s *session, text []byte, m sqltext.Mode, read func() (map[string]string, error)) (string, error) {
	written, err := h.writeVars(s, text, sqltext.VarRefs(text, m), m, read)
	return string(written), err
}

// varLiteral is a value as an expression of the type TiDB gives the variable. A
// bare number would be a column's place in ORDER BY, and a cast of a number of few
// digits an INT.
func varLiteral(v *sysvars.Var, value string) string {
	switch v.Column().Type {
	case sysvars.BigInt:
		return "CAST(CAST(" + value + " AS CHAR(20)) AS SIGNED)"
	case sysvars.BigIntUnsigned:
		return "CAST(CAST(" + value + " AS CHAR(20)) AS UNSIGNED)"
	}
	return fmt.Sprintf("_utf8mb4 x'%x'", value)
}

// currentSchema is the session's; "" for none.
func currentSchema(ctx context.Context, c *protocol.Conn) (string, error) {
	return askText(ctx, c, "DATABASE()")
}

// rewrite gives a statement of Kind VirtualTables or Expressions its values and
// tables; changed is false when none of its names mean ours.
func (h *Handler) rewrite(ctx context.Context, c *protocol.Conn, text []byte, st sqltext.Statement, m sqltext.Mode) (sql []byte, changed bool, err error) {
	text = bytes.TrimSuffix(text, []byte{0}) // as Classify does
	read := func() (map[string]string, error) { return h.vars.read(ctx) }
	if sql, err = h.writeVars(h.session(c), text, st.Vars, m, read); err != nil {
		return nil, false, err
	}
	current := ""
	if st.Bare {
		if current, err = currentSchema(ctx, c); err != nil {
			return nil, false, err
		}
		current = strings.ToLower(current)
	}
	shown, err := h.selectJobs(ctx, c, sql, m, current)
	if err != nil {
		return nil, false, err
	}
	changed = len(st.Vars) > 0 || !bytes.Equal(shown, sql)
	sql, qualified := sqltext.RewriteTables(shown, m, h.schema)
	changed = changed || qualified
	if st.Bare {
		var bare bool
		sql, bare = sqltext.RewriteBareTables(sql, m, h.schema, current)
		changed = changed || bare
	}
	return sql, changed, nil
}
