package sqlhandler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// What the client's own session says about an import.

// denied says whether the store has told the client's session that its account may not.
func denied(err error) bool { return server.Denied(&mysql.MySQLError{Number: code(err)}) }

// commandDenied is TiDB's refusal of an account without a privilege on a table.
func (im *importing) commandDenied(privilege string) *dxf.Error {
	user, host := im.facts.user, ""
	if i := strings.LastIndexByte(user, '@'); i >= 0 {
		user, host = user[:i], user[i+1:]
	}
	return &dxf.Error{
		Code: server.ErrTableAccessDenied, State: "42000", Class: "planner",
		Message: fmt.Sprintf("%s command denied to user '%s'@'%s' for table '%s'", privilege, user, host, im.st.Table),
	}
}

var errNoFile = &dxf.Error{
	Code: server.ErrSpecificAccessDenied, State: "42000", Class: "planner",
	Message: "Access denied; you need (at least one of) the FILE privilege(s) for this operation",
}

// target asks what the table is, and reads it.
func (im *importing) target(ctx context.Context) error {
	if err := im.speakable(im.st.Schema, im.st.Table); err != nil {
		return err
	}
	name := server.Quote(im.st.Schema, im.st.Table)
	rs, err := query(ctx, im.c, "SHOW CREATE TABLE %s", name)
	switch {
	case code(err) == server.ErrNoSuchTable, code(err) == server.ErrBadDB:
		return im.noSuchTable()
	case denied(err):
		return im.commandDenied("SELECT")
	case err != nil:
		return err
	}
	definition := field(rs, 0, 1)
	switch {
	case strings.HasPrefix(definition, "CREATE TEMPORARY TABLE "):
		return dxf.Errorf("IMPORT INTO does not support temporary table")
	case !strings.HasPrefix(definition, "CREATE TABLE "):
		return &dxf.Error{
			Code: server.ErrNonUpdatableTable, State: "HY000", Class: "planner",
			Message: fmt.Sprintf("The target table %s of the IMPORT is not updatable", im.st.Table),
		}
	}
	im.info, err = table.Load(ctx, im.h.sql, im.st.Schema, im.st.Table)
	if errors.Is(err, table.ErrNoTable) { // between the two questions
		return im.noSuchTable()
	}
	if err != nil {
		return fmt.Errorf("read the table: %w", err)
	}
	for _, col := range im.info.Columns {
		if err := im.speakable(col.Name); err != nil {
			return err
		}
	}
	if !slices.Contains(transactional, strings.ToLower(im.info.Engine)) {
		return dxf.Errorf("dxfproxy imports into tables of a transactional engine, and %s is %s", im.st.Table, im.info.Engine)
	}
	return nil
}

// speakable refuses names that questions of ours, in UTF-8, cannot be about in this
// session: it would read other ones, and tell what the client may do with those.
func (im *importing) speakable(names ...string) error {
	charset := strings.ToLower(im.facts.charset)
	if strings.HasPrefix(charset, "utf8") || charset == "binary" {
		return nil
	}
	for _, n := range names {
		if !ascii([]byte(n)) {
			return dxf.Errorf("dxfproxy: a name has other than ASCII characters: import in a session with SET NAMES utf8mb4")
		}
	}
	return nil
}

func (im *importing) noSuchTable() *dxf.Error {
	return &dxf.Error{
		Code: server.ErrNoSuchTable, State: "42S02", Class: "schema",
		Message: fmt.Sprintf("Table '%s.%s' doesn't exist", im.st.Schema, im.st.Table),
	}
}

// computed says that the store itself fills a column.
func computed(col table.Column) bool { return col.Generated != table.NotGenerated || col.Versioned }

// behindPrivileges are the errors of mayImport's questions that come behind the store's
// check of privileges, and so say that there are all: sql_safe_updates (1175), columns that
// are not there (1054, 1072). Whatever else a question ends with is no answer to it: a
// session may be read-only (1792), or out of time or memory by its own will.
var behindPrivileges = []uint16{server.ErrBadField, server.ErrKeyColumnDoesNotExist, server.ErrUpdateWithoutKeyInSafeMode}

// mayImport asks for the privileges an import needs, in TiDB's order. EXPLAIN
// needs the rights of the statement it explains, and changes nothing. file says
// that a file of the node will be read. Nothing of the location is looked at, opened
// or dialled before this.
func (im *importing) mayImport(ctx context.Context, file bool) error {
	var columns, same []string
	for _, col := range im.info.Columns {
		if !computed(col) {
			columns = append(columns, server.Quote(col.Name))
			same = append(same, server.Quote(col.Name)+" = "+server.Quote(col.Name))
		}
	}
	t, list := im.info.Quoted(), strings.Join(columns, ", ")
	asked := false
	for _, ask := range []struct{ privilege, sql string }{
		{"SELECT", "SELECT * FROM " + t + " LIMIT 0"},
		{"UPDATE", "EXPLAIN UPDATE " + t + " SET " + strings.Join(same, ", ")},
		{"INSERT", "EXPLAIN INSERT INTO " + t + " (" + list + ") SELECT " + list + " FROM " + t},
		{"DELETE", "EXPLAIN DELETE FROM " + t},
		{"ALTER", "ALTER TABLE " + t + " ADD INDEX __dxf_probe (" + noColumn + ")"},
	} {
		_, err := im.c.Query(ctx, ask.sql)
		switch {
		case denied(err):
			return im.commandDenied(ask.privilege)
		case err != nil && code(err) == 0:
			return err
		case code(err) == server.ErrTableNotLocked:
			return errLockedTables
		case err != nil && !slices.Contains(behindPrivileges, code(err)):
			return err // who may do what is not said
		}
		asked = asked || err != nil
	}
	if file {
		// There is a file of this name everywhere, so nothing is ever written.
		_, err := im.c.Query(ctx, "SELECT 1 INTO OUTFILE '/'")
		switch {
		case denied(err):
			return errNoFile
		case code(err) != server.ErrFileExists && code(err) != server.ErrOptionPreventsStatement: // there is such a file; secure_file_priv
			return cmp.Or(err, error(errNoFile))
		}
		asked = true
	}
	if !im.st.Query {
		// A session that holds LOCK TABLES would wait for itself.
		_, err := query(ctx, im.c, "SELECT 1 FROM %s.%s LIMIT 0", server.Quote(im.st.Schema), noTable)
		if code(err) == server.ErrTableNotLocked {
			return errLockedTables
		}
		asked = true
	}
	if !asked {
		return nil
	}
	_, err := query(ctx, im.c, forgetSQL)
	return err
}

// errLockedTables: MySQL's words for what cannot be done under LOCK TABLES.
var errLockedTables = &dxf.Error{
	Code: server.ErrLockOrActiveTransaction, State: "HY000",
	Message: "Can't execute the given command because you have active locked tables or an active transaction",
}

var noFunction = regexp.MustCompile(`^FUNCTION (?:.*\.)?(\S+) does not exist$`)

// trySet lets the store read the expressions of the SET clause, so that what it
// does not know is told now.
func (im *importing) trySet(ctx context.Context) error {
	for i, a := range im.st.Set {
		_, err := query(ctx, im.c, "SELECT %s LIMIT 0", a.Expr)
		if m := noFunction.FindStringSubmatch(message(err)); m != nil && code(err) == server.ErrSpDoesNotExist {
			return dxf.Errorf("FUNCTION %s is not supported in IMPORT INTO column assignment, index %d", m[1], i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
