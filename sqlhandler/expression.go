package sqlhandler

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"dxfproxy/protocol"
	"dxfproxy/sqltext"
	"dxfproxy/sysvars"
)

// values are the values of our variables, to be written in the place of their names.
// read gives the global ones.
func (h *Handler) values(s *session, refs []sqltext.VarRef, read func() (map[string]string, error)) ([]sqltext.Edit, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	global, err := read()
	if err != nil {
		return nil, err
	}
	var edits []sqltext.Edit
	for _, r := range refs {
		scope, refused := r.Var.CheckRead(r.Form)
		if refused != nil {
			return nil, refusal(refused)
		}
		edits = append(edits, sqltext.Edit{Span: r.Span, Text: varLiteral(r.Var, r.Var.Select(h.valueOf(r.Var, scope, s, global)))})
	}
	return edits, nil
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

// rewrite gives a statement its values and tables; changed is false when none of its
// names mean ours.
func (h *Handler) rewrite(ctx context.Context, c *protocol.Conn, st *sqltext.Mixed) (sql []byte, changed bool, err error) {
	read := func() (map[string]string, error) { return h.vars.read(ctx) }
	edits, err := h.values(h.session(c), st.Vars, read)
	if err != nil {
		return nil, false, err
	}
	current := ""
	if st.Bare() {
		if current, err = currentSchema(ctx, c); err != nil {
			return nil, false, err
		}
		current = strings.ToLower(current)
	}
	jobs := ""
	if st.SelectsJobs(current) {
		if jobs, err = h.jobsShown(ctx, c); err != nil {
			return nil, false, err
		}
	}
	edits = slices.Concat(edits, st.Labels, st.In(h.schema, current, jobs))
	return st.With(edits), len(edits) > 0, nil
}
