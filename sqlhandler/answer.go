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
	"dxfproxy/sqltext"
)

// mode is the part of the session's sql_mode that the lexer must know.
func mode(s protocol.StatusFlags) sqltext.Mode {
	return sqltext.Mode{
		NoBackslashEscapes: s.Has(protocol.StatusNoBackslashEscapes),
		AnsiQuotes:         s.Has(protocol.StatusANSIQuotes),
	}
}

// understand says what a statement is, as the store reads it. Where the bytes and the
// status flags leave that open, the session is asked: MySQL's flags do not tell of
// ANSI_QUOTES, which decides what is text and what is not as soon as there is a double
// quote; and in some character sets a quote or a backslash may be half a character.
// Such a statement is the store's.
func understand(ctx context.Context, c *protocol.Conn, stmt protocol.Statement) (sqltext.Statement, sqltext.Mode, error) {
	m := mode(stmt.Status)
	st := sqltext.Classify(stmt.SQL, m)
	quotes := !m.AnsiQuotes && bytes.IndexByte(stmt.SQL, '"') >= 0 && !strings.Contains(c.ServerVersion(), "MariaDB")
	halves := mayBeHalf(stmt.SQL)
	if st.Kind == sqltext.Other || !quotes && !halves {
		return st, m, nil
	}
	v, err := askRow(ctx, c, inUTF8("@@SESSION.sql_mode"), inUTF8("@@SESSION.character_set_client"))
	if err != nil {
		return st, m, err
	}
	if halves && ambiguous[v[1]] {
		return sqltext.Statement{Wait: -1}, m, nil
	}
	if sqltext.ModeOf(v[0]).AnsiQuotes && !m.AnsiQuotes {
		m.AnsiQuotes = true
		st = sqltext.Classify(stmt.SQL, m)
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
	text := func(s sqltext.Span) string { return string(s.Of(stmt.SQL)) }
	switch st.Kind {
	case sqltext.AdminShowDDL, sqltext.AdminShowDDLJobs, sqltext.AdminShowDDLJobQueries, sqltext.VirtualTables, sqltext.AdminResumeDDLJobs:
		h.history.settled(ctx) // what this client has changed is in what it sees, and known to what it sets going
	}
	switch st.Kind {
	case sqltext.AddIndex:
		return h.addIndex(ctx, c, h.session(c), stmt.SQL, st)
	case sqltext.OtherDDL:
		return h.remember(ctx, c, stmt.SQL, st)
	case sqltext.SetVars, sqltext.SetLogBin:
		if err := h.mayUnlog(ctx, c, stmt.SQL, st); err != nil {
			return nil, err
		}
		if st.Kind == sqltext.SetLogBin {
			return protocol.Forward{}, nil
		}
		return h.set(ctx, c, h.session(c), stmt.SQL, st, m)
	case sqltext.SelectVars:
		return h.selectVars(ctx, c, h.session(c), stmt.SQL, st)
	case sqltext.ShowVariables:
		return h.showVariables(ctx, c, h.session(c), stmt.SQL, st)
	case sqltext.ShowWarnings, sqltext.ShowErrors, sqltext.ShowCountWarnings, sqltext.ShowCountErrors:
		return showDiagnostics(c, st), nil
	case sqltext.AdminShowDDL:
		return h.showDDL(ctx, c)
	case sqltext.AdminShowDDLJobs:
		return h.showJobs(ctx, c, int(st.Count), text(st.Where))
	case sqltext.AdminShowDDLJobQueries:
		return h.showQueries(ctx, c, st)
	case sqltext.AdminCancelDDLJobs:
		return h.eachJob(ctx, c, st.IDs, h.jobs.CancelJob)
	case sqltext.AdminPauseDDLJobs:
		return h.eachJob(ctx, c, st.IDs, h.jobs.PauseJob)
	case sqltext.AdminResumeDDLJobs:
		return h.eachJob(ctx, c, st.IDs, h.jobs.ResumeJob)
	case sqltext.AdminAlterDDLJobs:
		return h.alterJob(ctx, c, stmt.SQL, st)
	case sqltext.AdminCheckTable, sqltext.AdminCheckIndex, sqltext.AdminChecksumTable, sqltext.AdminUnknown, sqltext.ImportUnknown:
		return nil, unsupported(text(st.Text))
	case sqltext.ImportUnreadable:
		return nil, errUnreadable
	case sqltext.ImportInto:
		return h.importInto(ctx, c, h.session(c), stmt.SQL, st)
	case sqltext.ShowImportJob:
		return h.showImportJob(ctx, c, st.IDs[0])
	case sqltext.ShowImportJobs:
		return h.showImportJobs(ctx, c, st, text(st.Where))
	case sqltext.CancelImportJob:
		return h.cancelImportJob(ctx, c, st.IDs[0])
	case sqltext.PauseImportJob:
		return h.pauseImportJob(ctx, c, st.IDs[0])
	case sqltext.ResumeImportJob:
		return h.resumeImportJob(ctx, c, st.IDs[0])
	case sqltext.VirtualTables, sqltext.Expressions:
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
func (h *Handler) prepare(ctx context.Context, c *protocol.Conn, stmt protocol.Statement, st sqltext.Statement, m sqltext.Mode) (protocol.Reply, error) {
	switch st.Kind {
	case sqltext.AddIndex, sqltext.OtherDDL, sqltext.SetLogBin, sqltext.ShowVariables, sqltext.ShowWarnings, sqltext.ShowErrors, sqltext.ShowCountWarnings, sqltext.ShowCountErrors:
		return protocol.OnExecute{}, nil
	case sqltext.SetVars, sqltext.AdminAlterDDLJobs:
		return protocol.Local{}, nil
	case sqltext.SelectVars:
		return protocol.Local{Columns: varColumns(st)}, nil
	case sqltext.AdminShowDDL:
		return protocol.Local{Columns: ddlColumns}, nil
	case sqltext.AdminShowDDLJobs:
		return protocol.Local{Columns: jobColumns}, nil
	case sqltext.AdminShowDDLJobQueries:
		return protocol.Local{Columns: queryColumns(st)}, nil
	case sqltext.AdminCancelDDLJobs, sqltext.AdminPauseDDLJobs, sqltext.AdminResumeDDLJobs:
		return protocol.Local{Columns: resultColumns}, nil
	case sqltext.ImportInto:
		return prepareImport(stmt.SQL, st, m)
	case sqltext.ShowImportJob, sqltext.ShowImportJobs:
		return protocol.Local{Columns: importColumns}, nil
	case sqltext.CancelImportJob, sqltext.PauseImportJob, sqltext.ResumeImportJob:
		return protocol.Local{}, nil
	case sqltext.AdminCheckTable, sqltext.AdminCheckIndex, sqltext.AdminChecksumTable, sqltext.AdminUnknown, sqltext.ImportUnknown:
		return packet(unsupported(string(st.Text.Of(stmt.SQL)))), nil
	case sqltext.ImportUnreadable:
		return packet(errUnreadable), nil
	case sqltext.VirtualTables, sqltext.Expressions:
		if sql, changed, err := h.rewrite(ctx, c, stmt.SQL, st, m); err != nil || changed {
			return protocol.ForwardSQL{SQL: sql}, err
		}
	}
	return protocol.Forward{}, nil
}

// errUnreadable refuses an IMPORT INTO that is not for us to read and not for the
// store: it would put the secrets of the location into its error and its logs. So
// nothing of the text is in here.
var errUnreadable = &dxf.Error{
	Code: 1064, State: "42000", Class: "parser",
	Message: "You have an error in your SQL syntax; IMPORT INTO stands alone, in no executable comment and with every quote closed: nothing was run",
}

// unsupported refuses a statement of TiDB's: with its syntax error where it has
// one, else by saying that this one is not there.
func unsupported(text string) *dxf.Error {
	var err error
	if len(text) <= sqltext.MaxUnasked {
		_, err = sqltext.Parse([]byte(text), "")
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

// parseImport is sqltext.ParseImport with the errors that a client gets.
func parseImport(text []byte, sqlMode string) (*sqltext.Import, error) {
	st, err := sqltext.ParseImport(text, sqlMode)
	var own *dxf.Error
	if err != nil && !errors.As(err, &own) {
		return nil, syntaxError(err)
	}
	return st, err
}

// syntaxError is an error of TiDB's parser as TiDB answers it, without the secrets
// of a location that it quotes.
func syntaxError(err error) *dxf.Error {
	const syntax = "You have an error in your SQL syntax; check the manual that corresponds to your TiDB version for the right syntax to use "
	return &dxf.Error{Code: 1064, State: "42000", Class: "parser", Message: source.MaskText(syntax + strings.TrimPrefix(err.Error(), syntax))}
}

// showDiagnostics shows the warnings of the statement before, if that was
// answered here; else the store's.
func showDiagnostics(c *protocol.Conn, st sqltext.Statement) protocol.Reply {
	ws := c.Warnings()
	if len(ws) == 0 {
		return protocol.Forward{}
	}
	if st.Kind == sqltext.ShowErrors || st.Kind == sqltext.ShowCountErrors {
		ws = nil // we raise warnings and notes only
	}
	if st.Kind == sqltext.ShowCountWarnings || st.Kind == sqltext.ShowCountErrors {
		name := "@@session.warning_count"
		if st.Kind == sqltext.ShowCountErrors {
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
func (h *Handler) remember(ctx context.Context, c *protocol.Conn, sql []byte, st sqltext.Statement) (protocol.Reply, error) {
	j, ok, err := h.change(ctx, c, sql, st)
	if err != nil || !ok {
		return protocol.Forward{}, err
	}
	began := time.Now().UTC()
	return protocol.Forward{Done: func(ok bool) {
		if !ok || st.Conditional && c.StoreWarnings() > 0 {
			return // nothing was changed, and TiDB makes no job of nothing
		}
		h.keep(j, began)
	}}, nil
}

// change is what the history tells of a statement that runs on the client's session; ok is
// false where it tells nothing.
func (h *Handler) change(ctx context.Context, c *protocol.Conn, sql []byte, st sqltext.Statement) (j dxf.Job, ok bool, err error) {
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
		Query: shownText(string(sqltext.HideSecrets(st.Text.Of(sql), mode(c.Status())))),
	}
	for _, s := range st.Specs {
		if st.JobType == sqltext.MultiChange && s.Kind != sqltext.SpecOption && len(j.SubJobs) < maxShownChanges {
			j.SubJobs = append(j.SubJobs, dxf.SubJob{Type: s.JobType(), SchemaState: schemaStateAfter(s.JobType()), State: dxf.JobDone})
		}
	}
	return j, true, nil
}

// resulting lists the tables a change is told of: those it was made to, and
// after a RENAME the new names, as TiDB does.
func resulting(st sqltext.Statement) []sqltext.TableName {
	switch {
	case len(st.NewTables) > 0:
		return st.NewTables
	case len(st.Tables) > 0:
		return st.Tables
	case st.Table.Name != "":
		return []sqltext.TableName{st.Table}
	}
	return nil
}

// schemaStateAfter is what a finished job's SCHEMA_STATE says: what is gone is
// none, what is there is public.
func schemaStateAfter(jobType string) dxf.SchemaState {
	if strings.HasPrefix(jobType, "drop ") || jobType == sqltext.MultiChange {
		return dxf.SchemaNone
	}
	return dxf.SchemaPublic
}
