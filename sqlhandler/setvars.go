package sqlhandler

import (
	"context"
	"strings"
	"sync"

	"dxfproxy/protocol"
	"dxfproxy/sqltext"
	"dxfproxy/sysvars"
)

// set answers SET with one of our variables or sql_log_bin in it. Ours are checked first, the
// others are set by the store, and only then ours: an error leaves nothing half
// done but what the store itself would leave.
func (h *Handler) set(ctx context.Context, c *protocol.Conn, s *session, st *sqltext.SetVariables) (protocol.Reply, error) {
	if err := h.mayUnlog(ctx, c, st); err != nil {
		return nil, err
	}
	if !st.Ours() {
		return protocol.Forward{}, nil
	}
	var theirs []string
	var ours []assignment
	var ok protocol.OK
	read := sync.OnceValues(func() (map[string]string, error) { return h.vars.read(ctx) })
	for _, a := range st.Assignments {
		edits, err := h.values(s, st.In(a.Value), read)
		if err != nil {
			return nil, err
		}
		value := st.Part(a.Value, edits)
		if a.Var == nil {
			theirs = append(theirs, st.Of(sqltext.Span{Start: a.Span.Start, End: a.Value.Start})+value)
			continue
		}
		n, err := h.check(ctx, c, value, a, &ok)
		if err != nil {
			return nil, err
		}
		ours = append(ours, n)
	}
	for _, n := range ours {
		if n.scope != sysvars.Session { // whatever the form: a node is everybody's too
			if err := maySetGlobal(ctx, c); err != nil {
				return nil, err
			}
			break
		}
	}
	if len(theirs) > 0 {
		if _, err := c.Query(ctx, "SET "+strings.Join(theirs, ", ")); err != nil {
			return nil, err
		}
	}
	for _, n := range ours {
		if n.v.Name == sysvars.ServiceScope && h.vars.retype(n.given) {
			ok.AffectedRows = 2 // TiDB shows the upsert of the node's row, which has the text as it was typed
		}
		if err := h.assign(ctx, s, n); err != nil {
			return nil, err
		}
	}
	return ok, nil
}

// assignment is a checked one.
type assignment struct {
	v         *sysvars.Var
	scope     sysvars.Scope
	value     string
	given     string // value as it was typed
	isDefault bool   // SET SESSION x = DEFAULT: the global value
}

// check checks an assignment; value is the text of its right-hand side.
func (h *Handler) check(ctx context.Context, c *protocol.Conn, value string, a sqltext.Assignment, ok *protocol.OK) (assignment, error) {
	scope, refused := a.Var.CheckSet(a.Form)
	if refused != nil {
		return assignment{}, refusal(refused)
	}
	kind, text := a.Kind, a.Text
	if kind == sysvars.Expr {
		values, err := askRow(ctx, c, "("+value+")")
		if err != nil {
			return assignment{}, err
		}
		kind, text = sysvars.StringValue, values[0]
	}
	checked, warning, refused := a.Var.Check(text, kind)
	if refused != nil {
		return assignment{}, refusal(refused)
	}
	if warning != nil {
		ok.Warnings = append(ok.Warnings, protocol.Warning{Level: "Warning", Code: warning.Number, Message: warning.Message})
	}
	given := text
	if kind == sysvars.DefaultValue {
		given = checked
	}
	return assignment{v: a.Var, scope: scope, value: checked, given: given, isDefault: kind == sysvars.DefaultValue}, nil
}

func (h *Handler) assign(ctx context.Context, s *session, n assignment) error {
	switch n.scope {
	case sysvars.Session:
		if n.isDefault && n.v.Scope&sysvars.Global != 0 {
			g, err := h.vars.read(ctx)
			if err != nil {
				return err
			}
			n.value = valueIn(g, n.v)
		}
		s.own[n.v.Name] = n.value
	case sysvars.Global:
		if err := h.vars.store.SetGlobalVar(ctx, n.v.Name, n.value); err != nil {
			return err
		}
		_, err := h.vars.read(ctx)
		return err
	case sysvars.Instance:
		if n.v.Name == sysvars.ServiceScope {
			if err := h.nodes.SetRole(ctx, h.node.ID, n.value); err != nil {
				return err
			}
			h.setRole(n.value)
			defer h.wakeAll()
		}
		h.vars.setInstance(n.v.Name, n.value)
	}
	return nil
}
