package sqlhandler

import (
	"context"
	"strings"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/sqltext"
	"dxfproxy/sysvars"
)

// errUnlogged: a job sees by the binlog what is changed in a table that it copies.
var errUnlogged = dxf.Errorf("sql_log_bin cannot be set to OFF while a job runs: " +
	"what this session changed would be missing in the copy of the job's table (ADMIN SHOW DDL JOBS)")

// mayUnlog refuses to take a session's changes out of the binlog while a job may need
// them there. Whether the client may do it at all is the store's to say.
func (h *Handler) mayUnlog(ctx context.Context, c *protocol.Conn, st *sqltext.SetVariables) error {
	for _, a := range st.Assignments {
		if !a.LogBin() {
			continue
		}
		off, err := turnsOff(ctx, c, st, a)
		if err != nil {
			return err
		}
		if !off {
			continue
		}
		jobs, err := h.jobs.UnfinishedJobs(ctx)
		if err != nil {
			return err
		}
		if len(jobs) > 0 {
			return errUnlogged
		}
	}
	return nil
}

// turnsOff says whether a switch is given the value OFF. What only the store can
// compute it is asked for; an error is that of the SET too.
func turnsOff(ctx context.Context, c *protocol.Conn, st *sqltext.SetVariables, a sqltext.Assignment) (bool, error) {
	text := a.Text
	switch a.Kind {
	case sysvars.Expr:
		rs, err := query(ctx, c, "SELECT (%s)", st.Of(a.Value))
		if err != nil {
			return false, err
		}
		text = field(rs, 0, 0)
	case sysvars.DefaultValue, sysvars.NullValue:
		return false, nil
	}
	return text == "0" || strings.EqualFold(text, "OFF") || strings.EqualFold(text, "FALSE"), nil
}
