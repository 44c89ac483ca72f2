package sqlhandler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/protocol"
	"dxfproxy/server"
	"dxfproxy/source"
	"dxfproxy/sqltext"
	"dxfproxy/table"
)

var errInTransaction = dxf.Errorf("cannot run IMPORT INTO in explicit transaction")

// transactional are the engines that can take back half of an import.
var transactional = []string{"innodb", "rocksdb", "xtradb"}

// prepareImport answers the preparation of an IMPORT INTO: the store never sees
// it, and is not asked whether the client may. So no more of it is looked at than
// is needed: whether it gives rows. Of a short one the client hears already now
// what is wrong. Whether quotes are those of names is known when it is executed.
func prepareImport(st *sqltext.ImportInto) (protocol.Reply, error) {
	sql, m := st.SQL(), st.Mode()
	ansi := sqltext.Mode{AnsiQuotes: true, NoBackslashEscapes: m.NoBackslashEscapes}
	o, ok := sqltext.OutlineImport(sql, m)
	if !ok {
		o, ok = sqltext.OutlineImport(sql, ansi)
	}
	if head := o.WithoutQuery(sql); len(head) <= sqltext.MaxUnasked {
		if _, err := parseImport(head, m.SQLMode()); err != nil {
			if _, other := parseImport(head, ansi.SQLMode()); other != nil {
				return nil, err
			}
		}
	} else if !ok {
		return nil, sqltext.ErrNoImport
	}
	if o.Query.Has() {
		return protocol.Local{}, nil
	}
	return protocol.Local{Columns: importColumns}, nil
}

// importInto makes a job of IMPORT INTO … FROM 'location' and waits for it, or
// runs IMPORT INTO … FROM SELECT. What the client may do, its own session is
// asked, before a parser has seen more than a few KiB of the statement; the other
// checks come in TiDB's order, and the first that fails is the answer.
func (h *Handler) importInto(ctx context.Context, c *protocol.Conn, s *session, found *sqltext.ImportInto) (protocol.Reply, error) {
	facts, err := askSession(ctx, c)
	if err != nil {
		return nil, err
	}
	im := &importing{h: h, c: c, facts: facts}
	if im.text, im.query, err = importText(found.SQL(), facts); err != nil {
		return nil, err
	}
	o, ok := sqltext.OutlineImport(im.text, sqltext.ModeOf(facts.sqlMode))
	switch {
	case !ok && len(im.text) > sqltext.MaxUnasked:
		return nil, sqltext.ErrNoImport
	case !ok:
		_, err := parseImport(im.text, facts.sqlMode)
		return nil, cmp.Or(err, error(sqltext.ErrNoImport))
	case c.InTransaction():
		return nil, errInTransaction
	}
	im.st = &sqltext.Import{Schema: o.Table.Schema, Table: o.Table.Name, Location: o.Location, Query: o.Query.Has()}
	reply, err := im.run(ctx, s)
	// With autocommit off our questions have begun a transaction. It would hold
	// the table against the very job that is waited for.
	if endErr := im.endQuestions(ctx); err == nil {
		err = endErr
	}
	if err != nil {
		return nil, err
	}
	if reply != nil {
		return reply, nil
	}
	h.wakeAll()
	return im.answer(ctx)
}

// importText is the statement in UTF-8, without its query, whose bytes are not to be
// looked at, and the query as the client sent it.
func importText(sql []byte, facts sessionFacts) (text, query []byte, err error) {
	if !ambiguous[facts.charset] {
		o, _ := sqltext.OutlineImport(sql, sqltext.ModeOf(facts.sqlMode))
		sql, query = o.WithoutQuery(sql), o.Query.Of(sql)
	}
	text, err = decode.ToUTF8(facts.charset, sql)
	var bad *decode.CharsetError
	if errors.As(err, &bad) {
		message := fmt.Sprintf("Invalid %s character string: '%s'", bad.Charset, bad.Bytes)
		return nil, nil, &dxf.Error{Code: server.ErrInvalidCharacterString, State: "HY000", Message: message}
	}
	if err != nil {
		return nil, nil, dxf.Errorf("dxfproxy cannot read this statement: %s", err)
	}
	return text, query, nil
}

// importing is one IMPORT INTO on its way to a job.
type importing struct {
	h     *Handler
	c     *protocol.Conn
	text  []byte          // in UTF-8, without the query
	query []byte          // as the client sent it; empty for a location
	st    *sqltext.Import // where to and where from; the rest when it is parsed
	facts sessionFacts

	info     *table.Info
	settings importSettings
	size     int64
	id       int64
}

// run checks the statement and makes the job; of a query it is all, and answers.
func (im *importing) run(ctx context.Context, s *session) (protocol.Reply, error) {
	if err := im.resolve(ctx); err != nil {
		return nil, err
	}
	file := false
	if !im.st.Query {
		var err error
		if file, err = source.NeedsFile(im.st.Location); err != nil {
			return nil, err
		}
	}
	if err := im.target(ctx); err != nil {
		return nil, err
	}
	if err := im.mayImport(ctx, file); err != nil {
		return nil, err
	}
	if err := im.parse(); err != nil {
		return nil, err
	}
	st := im.st
	if st.Query {
		return im.fromSelect(ctx)
	}
	var err error
	if im.settings, err = checkOptions(st, im.h.node.CPUCount); err != nil {
		return nil, err
	}
	if err := im.checkFormat(); err != nil {
		return nil, err
	}
	if err := im.trySet(ctx); err != nil {
		return nil, err
	}
	if err := checkColumns(im.info, st); err != nil {
		return nil, err
	}
	if err := im.listFiles(ctx); err != nil {
		return nil, err
	}
	if err := im.precheck(ctx); err != nil {
		return nil, err
	}
	if cause := context.Cause(ctx); cause != nil { // between two questions
		return nil, cause
	}
	return nil, im.submit(ctx, s)
}

// parse reads the whole statement, for a client who may import.
func (im *importing) parse() error {
	st, err := parseImport(im.text, im.facts.sqlMode)
	im.text = nil
	if err != nil {
		return err
	}
	if !st.Query {
		err = checkBoth(st, im.facts.sqlMode)
	}
	st.Exprs = nil                                  // what executes is in st.Set; a tree is a hundred times its text
	st.Schema, st.Table = im.st.Schema, im.st.Table // as resolve has found them
	im.st = st
	return err
}

// resolve finds the target's schema. With names in lower case the store knows a
// table by more than one spelling; jobs know it by that one.
func (im *importing) resolve(ctx context.Context) error {
	if im.st.Schema == "" && im.facts.unspoken {
		return dxf.Errorf("dxfproxy: name the table's schema, or let character_set_results be character_set_client")
	}
	if im.st.Schema == "" {
		im.st.Schema = im.facts.schema
	}
	if im.st.Schema == "" {
		return errNoDatabase
	}
	fold, err := askText(ctx, im.c, "@@GLOBAL.lower_case_table_names")
	if err != nil {
		return err
	}
	if fold != "0" {
		im.st.Schema, im.st.Table = strings.ToLower(im.st.Schema), strings.ToLower(im.st.Table)
	}
	if systemSchemas[strings.ToLower(im.st.Schema)] || im.st.Schema == im.h.schema {
		return dxf.Errorf("dxfproxy does not import into tables of schema %s", im.st.Schema)
	}
	return nil
}

// checkFormat says whether format, location and dialect are possible.
func (im *importing) checkFormat() error {
	csv := im.settings.csv
	switch {
	case im.st.Location == "":
		_, err := source.Parse("")
		return err
	case !slices.Contains([]string{"csv", "sql", "parquet"}, im.st.Format):
		return importError(8157, "The FORMAT '%s' is not supported", im.st.Format)
	case csv.Enclosed != "" && (strings.HasPrefix(csv.Enclosed, csv.Terminated) || strings.HasPrefix(csv.Terminated, csv.Enclosed)):
		// TiDB's text has a hole that nothing fills, and this is how it looks.
		return importError(8162, "%%!(EXTRA string=FIELDS ENCLOSED BY and TERMINATED BY must not be prefix of each other)")
	}
	return nil
}

// checkColumns says whether the columns of the list and of SET are the table's,
// each once, and none of SET computed by the store.
func checkColumns(info *table.Info, st *sqltext.Import) error {
	var names []string
	for _, f := range st.Fields {
		if f.Column != "" {
			names = append(names, f.Column)
		}
	}
	listed := len(names)
	for _, a := range st.Set {
		names = append(names, a.Column)
	}
	for _, name := range names {
		if _, ok := info.Column(name); !ok {
			message := fmt.Sprintf("Unknown column '%s' in 'field list'", name)
			return &dxf.Error{Code: server.ErrBadField, State: "42S22", Class: "table", Message: message}
		}
	}
	seen := map[string]bool{}
	for _, name := range names {
		if seen[strings.ToLower(name)] {
			message := fmt.Sprintf("Column '%s' specified twice", name)
			return &dxf.Error{Code: server.ErrFieldSpecifiedTwice, State: "42000", Class: "table", Message: message}
		}
		seen[strings.ToLower(name)] = true
	}
	for _, name := range names[listed:] {
		if col, _ := info.Column(name); col.Generated != table.NotGenerated {
			return &dxf.Error{Code: server.ErrNonDefaultForGeneratedColumn, State: "HY000", Class: "planner", Message: fmt.Sprintf(
				"The value specified for generated column '%s' in table '%s' is not allowed.", name, info.Name)}
		}
	}
	return nil
}

// listFiles finds the files, as this node sees them.
func (im *importing) listFiles(ctx context.Context) error {
	src, err := source.Open(ctx, im.h.sources, im.st.Location)
	if err != nil {
		return err
	}
	defer src.Close()
	files, err := src.List(ctx)
	if err != nil {
		return err
	}
	for _, f := range files {
		im.size += f.Size
	}
	return nil
}

// precheck says whether the import may begin now.
func (im *importing) precheck(ctx context.Context) error {
	active, err := im.h.imports.ImportActive(ctx, im.st.Schema, im.st.Table)
	switch {
	case err != nil:
		return err
	case active:
		return precheckFailed("there is active job on the target table already")
	case !im.st.Query && im.size == 0:
		return precheckFailed("No file matched, or the file is empty. Please provide a valid file location.")
	}
	rs, err := query(ctx, im.c, "SELECT 1 FROM %s LIMIT 1", im.info.Quoted())
	if err != nil {
		return err
	}
	if len(rs.Rows) > 0 {
		return precheckFailed("target table is not empty")
	}
	return nil
}

// submit writes the job and its task.
func (im *importing) submit(ctx context.Context, s *session) error {
	vars, err := im.h.settings(ctx, s)
	if err != nil {
		return err
	}
	zone, err := askText(ctx, im.c, "@@SESSION.time_zone")
	if err != nil {
		return err
	}
	id, err := table.Identity(ctx, im.h.sql, im.info.Schema, im.info.Name)
	if err != nil {
		return err
	}
	st, set := im.st, im.settings
	j := dxf.ImportJob{
		Schema: st.Schema, Table: st.Table, CreatedBy: im.facts.user, SourceSize: im.size, Status: dxf.ImportPending,
		Parameters: dxf.ImportParameters{
			ColumnsAndVars: st.ColumnsText, SetClause: st.SetText,
			FileLocation: source.Mask(st.Location), Format: st.Format, Options: shownOptions(st),
		},
	}
	if !set.detached {
		j.ConnID = im.c.ID()
	}
	meta := importinto.Meta{
		MetaHead: dxf.MetaHead{Schema: st.Schema, Table: st.Table}, Fingerprint: im.info.Fingerprint, TableID: id, User: im.facts.user,
		Format: st.Format, CSV: set.csv, SplitFile: set.splitFile,
		Fields: st.Fields, Set: st.Set,
		SQLMode: im.facts.sqlMode, TimeZone: zone,
		Node: im.h.node.ID, Thread: set.thread, MaxWriteSpeed: set.maxWriteSpeed, Checksum: set.checksum,
	}
	if err := importinto.CloseLocation(im.h.key, &meta, st.Location); err != nil {
		return err
	}
	t := dxf.NewTask{
		Type: importinto.Name, Concurrency: set.thread, TargetScope: vars.Scope, MaxNodeCount: vars.MaxNodeCount, Meta: &meta,
	}
	if !vars.Dist {
		t.MaxNodeCount = 1
	}
	// As for other jobs: whether there is one must be known.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), submitTimeout)
	defer cancel()
	im.id, err = im.h.imports.SubmitImport(ctx, j, t)
	return err
}

// endQuestions ends the transaction that asking has begun where autocommit is off.
func (im *importing) endQuestions(ctx context.Context) error {
	if !im.c.InTransaction() {
		return nil
	}
	_, err := query(ctx, im.c, "ROLLBACK")
	return err
}

// answer waits for the job, unless it is detached, and shows it.
func (im *importing) answer(ctx context.Context) (protocol.Reply, error) {
	zone, err := askZone(ctx, im.c)
	if err != nil && context.Cause(ctx) == nil {
		return nil, err
	}
	if err == nil && im.settings.detached {
		j, err := im.h.imports.ImportJob(ctx, im.id)
		if err != nil {
			return nil, err
		}
		return &protocol.ResultSet{Columns: importColumns, Rows: [][]any{importRow(j, zone)}}, nil
	}
	job := im.h.importJob(im.id, zone)
	if err != nil { // the client was killed or went away after the job was made
		if im.settings.detached {
			return interruption(context.Cause(ctx)), nil
		}
		return im.h.interrupted(context.Cause(ctx), job, time.Now(), server.Identity{})
	}
	return im.h.wait(ctx, im.c, job)
}
