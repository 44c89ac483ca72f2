package sqlhandler

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/server"
	"dxfproxy/sqltext"
	"dxfproxy/table"
)

// fromSelect runs IMPORT INTO … FROM SELECT: one INSERT … SELECT on the client's
// own session, which is atomic, and where the client's rights decide what is
// read. There is no job; KILL is the way to stop it.
func (im *importing) fromSelect(ctx context.Context) (protocol.Reply, error) {
	if ambiguous[im.facts.charset] {
		return nil, dxf.Errorf("dxfproxy does not import from a query in character set %s", im.facts.charset)
	}
	if len(im.query) == 0 {
		return nil, dxf.Errorf("dxfproxy: the query of the IMPORT INTO is not found")
	}
	if err := checkColumns(im.info, im.st); err != nil {
		return nil, err
	}
	query, _ := sqltext.RewriteTables(im.query, sqltext.ModeOf(im.facts.sqlMode), im.h.schema)
	insert := insertSelect(im.info, im.st, string(query))
	// The store says now what is wrong with the query, and counts its columns.
	if _, err := im.c.Query(ctx, "EXPLAIN "+insert); err != nil {
		// Where a generated column takes part the query has a list of names before it,
		// and these are the errors for one that is too long or too short.
		if n := code(err); n == server.ErrWithColWrongList || n == server.ErrViewWrongList {
			return nil, errColumnCount
		}
		return nil, err
	}
	var err error
	if im.settings, err = checkOptions(im.st, im.h.node.CPUCount); err != nil {
		return nil, err
	}
	if err := im.precheck(ctx); err != nil {
		return nil, err
	}
	if cause := context.Cause(ctx); cause != nil { // between two questions
		return nil, cause
	}
	rows, warnings, err := im.insert(ctx, insert)
	if err != nil {
		return nil, err
	}
	return protocol.OK{
		AffectedRows: uint64(rows), Warnings: warnings,
		Info: fmt.Sprintf("Records: %d, ID: %s", rows, newID()),
	}, nil
}

var errColumnCount = &dxf.Error{
	Code: server.ErrWrongValueCountOnRow, State: "21S01", Class: "planner", Message: "Column count doesn't match value count at row 1",
}

// insertSelect writes the statement. A value for a generated column is read and
// thrown away, as with files: the store would refuse it.
func insertSelect(info *table.Info, st *sqltext.Import, query string) string {
	var all, kept []string
	add := func(col table.Column) {
		name := "c" + strconv.Itoa(len(all)+1)
		all = append(all, name)
		if !computed(col) {
			kept = append(kept, server.Quote(col.Name)+" "+name)
		}
	}
	for _, f := range st.Fields {
		col, _ := info.Column(f.Column)
		add(col)
	}
	if len(st.Fields) == 0 {
		for _, col := range info.Columns {
			if !col.Invisible {
				add(col)
			}
		}
	}
	var targets, values []string
	for _, k := range kept {
		i := strings.LastIndexByte(k, ' ')
		targets, values = append(targets, k[:i]), append(values, k[i+1:])
	}
	into := "INSERT INTO " + info.Quoted() + " (" + strings.Join(targets, ", ") + ") "
	if len(kept) == len(all) {
		return into + query
	}
	return into + "WITH __dxf_query (" + strings.Join(all, ", ") + ") AS (" + query + ") " +
		"SELECT " + strings.Join(values, ", ") + " FROM __dxf_query"
}

// insert runs the statement, alone in its transaction, and returns how many rows
// it has written.
func (im *importing) insert(ctx context.Context, statement string) (int64, []protocol.Warning, error) {
	if err := im.endQuestions(ctx); err != nil {
		return 0, nil, err
	}
	if _, err := im.c.Query(ctx, statement); err != nil {
		return 0, nil, err
	}
	count, err := askText(ctx, im.c, "ROW_COUNT()")
	if err != nil {
		return 0, nil, err
	}
	rows, err := strconv.ParseInt(count, 10, 64)
	if err != nil {
		return 0, nil, fmt.Errorf("count the rows of an import: %w", err)
	}
	rs, err := im.c.Query(ctx, "SHOW WARNINGS")
	if err != nil {
		return 0, nil, err
	}
	var warnings []protocol.Warning
	for i := range rs.Rows {
		number, _ := strconv.ParseUint(field(rs, i, 1), 10, 16)
		warnings = append(warnings, protocol.Warning{Level: field(rs, i, 0), Code: uint16(number), Message: field(rs, i, 2)})
	}
	if im.c.InTransaction() {
		_, err = im.c.Query(ctx, "COMMIT")
	}
	return rows, slices.Clip(warnings), err
}

// newID makes a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
