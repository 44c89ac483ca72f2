package sqlhandler

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // the values of literals

	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/source"
)

// mode is the part of the session's sql_mode that the lexer must know.
func mode(s protocol.StatusFlags) Mode {
	return Mode{
		NoBackslashEscapes: s.Has(protocol.StatusNoBackslashEscapes),
		AnsiQuotes:         s.Has(protocol.StatusANSIQuotes),
	}
}

// understand says what a statement is, as the store reads it. Where the bytes and the
// status flags leave that open, the session is asked: MySQL's flags do not tell of
// ANSI_QUOTES, which decides what is text and what is not as soon as there is a double
// quote; and in some character sets a quote or a backslash may be half a character.
// Such a statement is the store's.
func understand(ctx context.Context, c *protocol.Conn, stmt protocol.Statement) (Statement, Mode, error) {
	m := mode(stmt.Status)
	st := Classify(stmt.SQL, m)
	quotes := !m.AnsiQuotes && bytes.IndexByte(stmt.SQL, '"') >= 0 && !strings.Contains(c.ServerVersion(), "MariaDB")
	halves := mayBeHalf(stmt.SQL)
	if st.Kind == Other || !quotes && !halves {
		return st, m, nil
	}
	v, err := askRow(ctx, c, inUTF8("@@SESSION.sql_mode"), inUTF8("@@SESSION.character_set_client"))
	if err != nil {
		return st, m, err
	}
	if halves && ambiguous[v[1]] {
		return Statement{Wait: -1}, m, nil
	}
	if modeNamed(v[0]).AnsiQuotes && !m.AnsiQuotes {
		m.AnsiQuotes = true
		st = Classify(stmt.SQL, m)
	}
	return st, m, nil
}

// mayBeHalf says whether a backslash or a backquote may be the second half of a
// character.
func mayBeHalf(text []byte) bool {
	for i := 1; i < len(text); i++ {
		if text[i-1] >= 0x80 && (text[i] == '\\' || text[i] == '`') {
			return true
		}
	}
	return false
}

// answer is the one place that says who answers a statement.
func (h *Handler) answer(ctx context.Context, c *protocol.Conn, stmt protocol.Statement) (protocol.Reply, error) {
	st, m, err := understand(ctx, c, stmt)
	if err != nil {
		return nil, err
	}
	if stmt.Prepared {
		return h.prepare(ctx, c, stmt, st, m)
	}
	text := func(s Span) string { return string(s.Of(stmt.SQL)) }
	switch st.Kind {
	case AdminShowDDL, AdminShowDDLJobs, AdminShowDDLJobQueries, VirtualTables:
		h.history.settled(ctx) // what this client has changed is in what it sees
	}
	switch st.Kind {
	case AddIndex:
		return h.addIndex(ctx, c, h.session(c), stmt.SQL, st)
	case OtherDDL:
		return h.remember(ctx, c, stmt.SQL, st)
	case SetVars, SetLogBin:
		if err := h.mayUnlog(ctx, c, stmt.SQL, st); err != nil {
			return nil, err
		}
		if st.Kind == SetLogBin {
			return protocol.Forward{}, nil
		}
		return h.set(ctx, c, h.session(c), stmt.SQL, st, m)
	case SelectVars:
		return h.selectVars(ctx, c, h.session(c), stmt.SQL, st)
	case ShowVariables:
		return h.showVariables(ctx, c, h.session(c), stmt.SQL, st)
	case ShowWarnings, ShowErrors, ShowCountWarnings, ShowCountErrors:
		return showDiagnostics(c, st), nil
	case AdminShowDDL:
		return h.showDDL(ctx, c)
	case AdminShowDDLJobs:
		return h.showJobs(ctx, c, int(st.Count), text(st.Where))
	case AdminShowDDLJobQueries:
		return h.showQueries(ctx, c, st)
	case AdminCancelDDLJobs:
		return h.eachJob(ctx, c, st.IDs, h.jobs.CancelJob)
	case AdminPauseDDLJobs:
		return h.eachJob(ctx, c, st.IDs, h.jobs.PauseJob)
	case AdminResumeDDLJobs:
		return h.eachJob(ctx, c, st.IDs, h.jobs.ResumeJob)
	case AdminAlterDDLJobs:
		return h.alterJob(ctx, c, stmt.SQL, st)
	case AdminCheckTable, AdminCheckIndex, AdminChecksumTable, AdminUnknown, ImportUnknown:
		return nil, unsupported(text(st.Text))
	case ImportUnreadable:
		return nil, errUnreadable
	case ImportInto:
		return h.importInto(ctx, c, h.session(c), stmt.SQL, st)
	case ShowImportJob:
		return h.showImportJob(ctx, c, st.IDs[0])
	case ShowImportJobs:
		return h.showImportJobs(ctx, c, st, text(st.Where))
	case CancelImportJob:
		return h.cancelImportJob(ctx, c, st.IDs[0])
	case PauseImportJob:
		return h.pauseImportJob(ctx, c, st.IDs[0])
	case ResumeImportJob:
		return h.resumeImportJob(ctx, c, st.IDs[0])
	case VirtualTables, Expressions:
		sql, changed, err := h.rewrite(ctx, c, stmt.SQL, st, m)
		switch {
		case err != nil:
			return nil, err
		case !changed:
			return protocol.Forward{}, nil
		case asksColumns(sql):
			return showColumns(ctx, c, sql)
		}
		return protocol.ForwardSQL{SQL: sql}, nil
	}
	return protocol.Forward{}, nil
}

// prepare says how a statement that is only being prepared is treated: what
// the store can prepare it prepares, for its columns and its errors, and the
// statement comes again when it is executed. One that is rewritten is the store's
// from then on: our variables in its expressions keep the values they have now.
func (h *Handler) prepare(ctx context.Context, c *protocol.Conn, stmt protocol.Statement, st Statement, m Mode) (protocol.Reply, error) {
	switch st.Kind {
	case AddIndex, OtherDDL, SetLogBin, ShowVariables, ShowWarnings, ShowErrors, ShowCountWarnings, ShowCountErrors:
		return protocol.OnExecute{}, nil
	case SetVars, AdminAlterDDLJobs:
		return protocol.Local{}, nil
	case SelectVars:
		return protocol.Local{Columns: varColumns(st)}, nil
	case AdminShowDDL:
		return protocol.Local{Columns: ddlColumns}, nil
	case AdminShowDDLJobs:
		return protocol.Local{Columns: jobColumns}, nil
	case AdminShowDDLJobQueries:
		return protocol.Local{Columns: queryColumns(st)}, nil
	case AdminCancelDDLJobs, AdminPauseDDLJobs, AdminResumeDDLJobs:
		return protocol.Local{Columns: resultColumns}, nil
	case ImportInto:
		return prepareImport(stmt.SQL, st, m)
	case ShowImportJob, ShowImportJobs:
		return protocol.Local{Columns: importColumns}, nil
	case CancelImportJob, PauseImportJob, ResumeImportJob:
		return protocol.Local{}, nil
	case AdminCheckTable, AdminCheckIndex, AdminChecksumTable, AdminUnknown, ImportUnknown:
		return packet(unsupported(string(st.Text.Of(stmt.SQL)))), nil
	case ImportUnreadable:
		return packet(errUnreadable), nil
	case VirtualTables, Expressions:
		if sql, changed, err := h.rewrite(ctx, c, stmt.SQL, st, m); err != nil || changed {
			return protocol.ForwardSQL{SQL: sql}, err
		}
	}
	return protocol.Forward{}, nil
}

// unsupported refuses a statement of TiDB's: with its syntax error where it has
// one, else by saying that this one is not there.
func unsupported(text string) *dxf.Error {
	var err error
	if len(text) <= maxUnasked {
		_, err = parse([]byte(text), "")
	}
	var own *dxf.Error
	if errors.As(err, &own) {
		return own
	}
	if err == nil {
		word, _, _ := strings.Cut(text[:min(len(text), 16)], " ")
		return dxf.Errorf("dxfproxy does not support this %s statement yet", strings.ToUpper(word))
	}
	return syntaxError(err)
}

// syntaxError is an error of TiDB's parser as TiDB answers it, without the secrets
// of a location that it quotes.
func syntaxError(err error) *dxf.Error {
	const syntax = "You have an error in your SQL syntax; check the manual that corresponds to your TiDB version for the right syntax to use "
	return &dxf.Error{Code: 1064, State: "42000", Class: "parser", Message: source.MaskText(syntax + strings.TrimPrefix(err.Error(), syntax))}
}

// showDiagnostics shows the warnings of the statement before, if that was
// answered here; else the store's.
func showDiagnostics(c *protocol.Conn, st Statement) protocol.Reply {
	ws := c.Warnings()
	if len(ws) == 0 {
		return protocol.Forward{}
	}
	if st.Kind == ShowErrors || st.Kind == ShowCountErrors {
		ws = nil // we raise warnings and notes only
	}
	if st.Kind == ShowCountWarnings || st.Kind == ShowCountErrors {
		name := "@@session.warning_count"
		if st.Kind == ShowCountErrors {
			name = "@@session.error_count"
		}
		return &protocol.ResultSet{
			Columns: []protocol.Column{{Name: name, Type: protocol.TypeLongLong, Length: 21}},
			Rows:    [][]any{{len(ws)}},
		}
	}
	rs := &protocol.ResultSet{Columns: []protocol.Column{
		{Name: "Level", Length: 28}, {Name: "Code", Type: protocol.TypeLong, Length: 4}, {Name: "Message", Length: 2048},
	}}
	for i, w := range ws {
		if st.HasLimit && (uint64(i) < st.Offset || uint64(i) >= st.Offset+st.Limit) {
			continue
		}
		rs.Rows = append(rs.Rows, []any{w.Level, w.Code, w.Message})
	}
	return rs
}

// remember lets the store run a table change on the client's own session and
// then leaves a row in the history, so that ADMIN SHOW DDL JOBS tells the whole
// story.
func (h *Handler) remember(ctx context.Context, c *protocol.Conn, sql []byte, st Statement) (protocol.Reply, error) {
	j, ok, err := h.change(ctx, c, sql, st)
	if err != nil || !ok {
		return protocol.Forward{}, err
	}
	began := time.Now().UTC()
	return protocol.Forward{Done: func(ok bool) {
		if !ok || st.Conditional && c.StoreWarnings() > 0 {
			return // nothing was changed, and TiDB makes no job of nothing
		}
		h.writeDown(j, began) // before the client goes on: a job that waits has to know what became of its table
	}}, nil
}

// change is what the history tells of a statement that runs on the client's session; ok is
// false where it tells nothing.
func (h *Handler) change(ctx context.Context, c *protocol.Conn, sql []byte, st Statement) (j dxf.Job, ok bool, err error) {
	if st.JobType == "" {
		return j, false, nil
	}
	schema, name := st.Schema, ""
	if tables := resulting(st); len(tables) > 0 {
		schema = tables[0].Schema
		var names []string
		for _, t := range tables {
			names = append(names, t.Name)
		}
		name = strings.Join(names, ",")
	}
	if schema == "" && name != "" {
		if schema, err = currentSchema(ctx, c); err != nil {
			return j, false, err
		}
	}
	if schema == h.schema {
		return j, false, nil
	}
	user, err := h.account(ctx, c)
	if err != nil {
		return j, false, err
	}
	j = dxf.Job{
		User: user, Type: st.JobType, Schema: strings.ToLower(schema), Table: strings.ToLower(name),
		State: dxf.JobSynced, SchemaState: schemaStateAfter(st.JobType), ConnID: c.ID(),
		Query: shownText(string(hideSecrets(st.Text.Of(sql), mode(c.Status())))),
	}
	for _, s := range st.Specs {
		if st.JobType == MultiChange && s.Kind != SpecOption && len(j.SubJobs) < maxShownChanges {
			j.SubJobs = append(j.SubJobs, dxf.SubJob{Type: s.JobType(), SchemaState: schemaStateAfter(s.JobType()), State: dxf.JobDone})
		}
	}
	return j, true, nil
}

// resulting lists the tables a change is told of: those it was made to, and
// after a RENAME the new names, as TiDB does.
func resulting(st Statement) []TableName {
	switch {
	case len(st.NewTables) > 0:
		return st.NewTables
	case len(st.Tables) > 0:
		return st.Tables
	case st.Table.Name != "":
		return []TableName{st.Table}
	}
	return nil
}

// schemaStateAfter is what a finished job's SCHEMA_STATE says: what is gone is
// none, what is there is public.
func schemaStateAfter(jobType string) dxf.SchemaState {
	if strings.HasPrefix(jobType, "drop ") || jobType == MultiChange {
		return dxf.SchemaNone
	}
	return dxf.SchemaPublic
}
