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
	"dxfproxy/server"
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
func understand(ctx context.Context, c *protocol.Conn, stmt protocol.Statement) (sqltext.Statement, error) {
	m := mode(stmt.Status)
	st := sqltext.Classify(stmt.SQL, m)
	quotes := !m.AnsiQuotes && bytes.IndexByte(stmt.SQL, '"') >= 0 && !strings.Contains(c.ServerVersion(), "MariaDB")
	halves := mayBeHalf(stmt.SQL)
	if _, other := st.(*sqltext.Other); other || !quotes && !halves {
		return st, nil
	}
	v, err := askRow(ctx, c, inUTF8("@@SESSION.sql_mode"), inUTF8("@@SESSION.character_set_client"))
	if err != nil {
		return st, err
	}
	if halves && ambiguous[v[1]] {
		return &sqltext.Other{}, nil
	}
	if sqltext.ModeOf(v[0]).AnsiQuotes && !m.AnsiQuotes {
		m.AnsiQuotes = true
		st = sqltext.Classify(stmt.SQL, m)
	}
	return st, nil
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
	st, err := understand(ctx, c, stmt)
	if err != nil {
		return nil, err
	}
	if stmt.Prepared {
		return h.prepare(ctx, c, st)
	}
	switch st := st.(type) {
	case *sqltext.AlterTable:
		if st.Long() {
			return h.longDDL(ctx, c, h.session(c), st)
		}
		return h.remember(ctx, c, &st.DDL)
	case *sqltext.DDL:
		return h.remember(ctx, c, st)
	case *sqltext.SetVariables:
		return h.set(ctx, c, h.session(c), st)
	case *sqltext.SelectVariables:
		return h.selectVars(ctx, c, h.session(c), st)
	case *sqltext.ShowVariables:
		return h.showVariables(ctx, c, h.session(c), st)
	case *sqltext.ShowDiagnostics:
		return showDiagnostics(c, st), nil
	case *sqltext.ShowDDL:
		return h.showDDL(ctx, c)
	case *sqltext.ShowDDLJobs:
		return h.showJobs(ctx, c, st)
	case *sqltext.ShowDDLJobQueries:
		return h.showQueries(ctx, c, st)
	case *sqltext.ChangeDDLJobs:
		return h.changeJobs(ctx, c, st)
	case *sqltext.AlterDDLJob:
		return h.alterJob(ctx, c, st)
	case *sqltext.Unsupported:
		return nil, unsupported(string(st.SQL()))
	case *sqltext.UnreadableImport:
		return nil, errUnreadable
	case *sqltext.ImportInto:
		return h.importInto(ctx, c, h.session(c), st)
	case *sqltext.ShowImportJob:
		return h.showImportJob(ctx, c, st.ID)
	case *sqltext.ShowImportJobs:
		return h.showImportJobs(ctx, c, st)
	case *sqltext.ChangeImportJob:
		return h.changeImportJob(ctx, c, st)
	case *sqltext.Mixed:
		return h.mixed(ctx, c, st)
	}
	return protocol.Forward{}, nil
}

// mixed answers a statement of the store's that has names of ours in it.
func (h *Handler) mixed(ctx context.Context, c *protocol.Conn, st *sqltext.Mixed) (protocol.Reply, error) {
	if st.Tables() {
		h.history.settled(ctx) // what this client has changed is in what it sees
	}
	sql, changed, err := h.rewrite(ctx, c, st)
	switch {
	case err != nil:
		return nil, err
	case !changed:
		return protocol.Forward{}, nil
	case st.AsksColumns:
		return showColumns(ctx, c, sql)
	}
	return protocol.ForwardSQL{SQL: sql}, nil
}

// prepare says how a statement that is only being prepared is treated: what
// the store can prepare it prepares, for its columns and its errors, and the
// statement comes again when it is executed. One that is rewritten is the store's
// from then on: our variables in its expressions keep the values they have now.
func (h *Handler) prepare(ctx context.Context, c *protocol.Conn, st sqltext.Statement) (protocol.Reply, error) {
	switch st := st.(type) {
	case *sqltext.AlterTable, *sqltext.DDL, *sqltext.ShowVariables, *sqltext.ShowDiagnostics:
		return protocol.OnExecute{}, nil
	case *sqltext.SetVariables:
		if !st.Ours() {
			return protocol.OnExecute{}, nil
		}
		return protocol.Local{}, nil
	case *sqltext.AlterDDLJob, *sqltext.ChangeImportJob:
		return protocol.Local{}, nil
	case *sqltext.SelectVariables:
		return protocol.Local{Columns: varColumns(st)}, nil
	case *sqltext.ShowDDL:
		return protocol.Local{Columns: ddlColumns}, nil
	case *sqltext.ShowDDLJobs:
		return protocol.Local{Columns: jobColumns}, nil
	case *sqltext.ShowDDLJobQueries:
		return protocol.Local{Columns: queryColumns(st)}, nil
	case *sqltext.ChangeDDLJobs:
		return protocol.Local{Columns: resultColumns}, nil
	case *sqltext.ImportInto:
		return prepareImport(st)
	case *sqltext.ShowImportJob, *sqltext.ShowImportJobs:
		return protocol.Local{Columns: importColumns}, nil
	case *sqltext.Unsupported:
		return packet(unsupported(string(st.SQL()))), nil
	case *sqltext.UnreadableImport:
		return packet(errUnreadable), nil
	case *sqltext.Mixed:
		if sql, changed, err := h.rewrite(ctx, c, st); err != nil || changed {
			return protocol.ForwardSQL{SQL: sql}, err
		}
	}
	return protocol.Forward{}, nil
}

// errUnreadable refuses an IMPORT INTO that is not for us to read and not for the
// store: it would put the secrets of the location into its error and its logs. So
// nothing of the text is in here.
var errUnreadable = &dxf.Error{
	Code: server.ErrParse, State: "42000", Class: "parser",
	Message: "You have an error in your SQL syntax; IMPORT INTO stands alone, in no executable comment and with every quote closed: " +
		"nothing was run",
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
	message := source.MaskText(syntax + strings.TrimPrefix(err.Error(), syntax))
	return &dxf.Error{Code: server.ErrParse, State: "42000", Class: "parser", Message: message}
}

// showDiagnostics shows the warnings of the statement before, if that was
// answered here; else the store's.
func showDiagnostics(c *protocol.Conn, st *sqltext.ShowDiagnostics) protocol.Reply {
	ws := c.Warnings()
	if len(ws) == 0 {
		return protocol.Forward{}
	}
	counted := "@@session.warning_count"
	if st.Errors {
		counted, ws = "@@session.error_count", nil // we raise warnings and notes only
	}
	if st.Count {
		return &protocol.ResultSet{
			Columns: []protocol.Column{{Name: counted, Type: protocol.TypeLongLong, Length: 21}},
			Rows:    [][]any{{len(ws)}},
		}
	}
	rs := &protocol.ResultSet{Columns: []protocol.Column{
		{Name: "Level", Length: 28}, {Name: "Code", Type: protocol.TypeLong, Length: 4}, {Name: "Message", Length: 2048},
	}}
	for i, w := range ws {
		if st.Limit.Has(i) {
			rs.Rows = append(rs.Rows, []any{w.Level, w.Code, w.Message})
		}
	}
	return rs
}

// forward lets the store run a statement, whatever it is.
func (h *Handler) forward(ctx context.Context, c *protocol.Conn, st sqltext.Statement) (protocol.Reply, error) {
	switch st := st.(type) {
	case *sqltext.AlterTable:
		return h.remember(ctx, c, &st.DDL)
	case *sqltext.DDL:
		return h.remember(ctx, c, st)
	}
	return protocol.Forward{}, nil
}

// remember lets the store run a table change on the client's own session and
// then leaves a row in the history, so that ADMIN SHOW DDL JOBS tells the whole
// story.
func (h *Handler) remember(ctx context.Context, c *protocol.Conn, st *sqltext.DDL) (protocol.Reply, error) {
	j, ok, err := h.change(ctx, c, st)
	if err != nil || !ok {
		return protocol.Forward{}, err
	}
	began, conditional := time.Now().UTC(), st.Conditional // the statement itself is not kept meanwhile
	return protocol.Forward{Done: func(ok bool) {
		if !ok || conditional && c.StoreWarnings() > 0 {
			return // nothing was changed, and TiDB makes no job of nothing
		}
		h.keep(j, began)
	}}, nil
}

// change is what the history tells of a statement that runs on the client's session; ok is
// false where it tells nothing.
func (h *Handler) change(ctx context.Context, c *protocol.Conn, st *sqltext.DDL) (j dxf.Job, ok bool, err error) {
	if st.JobType == "" {
		return j, false, nil
	}
	schema, name := st.Schema, ""
	if len(st.Tables) > 0 {
		schema = st.Tables[0].Schema
		var names []string
		for _, t := range st.Tables {
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
		Query: shownText(string(st.Public())),
	}
	for _, typ := range st.Changes[:min(len(st.Changes), maxShownChanges)] {
		j.SubJobs = append(j.SubJobs, dxf.SubJob{Type: typ, SchemaState: schemaStateAfter(typ), State: dxf.JobDone})
	}
	return j, true, nil
}

// schemaStateAfter is what a finished job's SCHEMA_STATE says: what is gone is
// none, what is there is public.
func schemaStateAfter(jobType string) dxf.SchemaState {
	if strings.HasPrefix(jobType, "drop ") || jobType == sqltext.MultiChange {
		return dxf.SchemaNone
	}
	return dxf.SchemaPublic
}
