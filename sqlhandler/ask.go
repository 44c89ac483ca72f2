package sqlhandler

import (
	"context"
	"slices"
	"strings"

	"dxfproxy/dxf"
	"dxfproxy/grants"
	"dxfproxy/protocol"
	"dxfproxy/server"
)

// What is asked of the client's own session before something is done for it.

// The privileges as package grants calls them.
const (
	superPrivilege = "SUPER"
	setGlobal      = "SYSTEM VARIABLES ADMIN" // MySQL's part of SUPER
)

// holds asks the client's session whether one of its global privileges is among
// these, its own or those of the roles that are active. The question changes
// nothing on the server. Parts of SUPER (MariaDB's CONNECTION ADMIN) are not it.
func holds(ctx context.Context, c *protocol.Conn, privileges ...string) (bool, error) {
	held, err := heldBy(ctx, c)
	return slices.ContainsFunc(privileges, func(p string) bool { return held.Has(grants.Everywhere, p) }), err
}

// heldBy is what the client's account has, by itself and by the roles that are
// active.
func heldBy(ctx context.Context, c *protocol.Conn) (held grants.Held, err error) {
	charset, err := askText(ctx, c, "@@SESSION.character_set_results") // NULL: that of the server's own texts
	if err != nil {
		return held, err
	}
	if charset == "" {
		charset = "utf8mb4"
	}
	rs, err := query(ctx, c, "SHOW GRANTS")
	switch code(err) {
	case server.ErrOptionPreventsStatement: // the server runs with --skip-grant-tables
		held.Add("GRANT ALL PRIVILEGES ON *.* TO ``@``")
		return held, nil
	case server.ErrNonexistingGrant: // the account is gone
		_, err = query(ctx, c, forgetSQL)
		return held, err
	}
	if err != nil {
		return held, err
	}
	for i := range rs.Rows {
		if line, ok := lineInUTF8(charset, field(rs, i, 0)); ok {
			held.Add(line)
		}
	}
	return held, nil
}

// errNotSuper refuses ADMIN statements; TiDB asks for SUPER.
var errNotSuper = &dxf.Error{Code: 8121, State: "HY000", Message: "privilege check for 'Super' fail", Class: "planner"}

// isSuper says whether the client may do what TiDB asks SUPER for.
func isSuper(ctx context.Context, c *protocol.Conn) (bool, error) {
	return holds(ctx, c, superPrivilege)
}

// mayAdminister says whether the client may use ADMIN statements about everybody's
// jobs.
func mayAdminister(ctx context.Context, c *protocol.Conn) error {
	super, err := isSuper(ctx, c)
	if err == nil && !super {
		return errNotSuper
	}
	return err
}

// maySetGlobal says whether the client may set variables that are not its session's
// alone.
func maySetGlobal(ctx context.Context, c *protocol.Conn) error {
	may, err := holds(ctx, c, superPrivilege, setGlobal)
	if err == nil && !may {
		return &dxf.Error{
			Code: server.ErrSpecificAccessDenied, State: "42000", Class: "planner",
			Message: "Access denied; you need (at least one of) the SUPER or SYSTEM_VARIABLES_ADMIN privilege(s) for this operation",
		}
	}
	return err
}

// sessionFacts is what a job remembers of the session that submitted it.
type sessionFacts struct {
	schema  string // DATABASE(), in the character set of the client; "" for none
	sqlMode string
	charset string // character_set_client
	user    string // CURRENT_USER(), in UTF-8
	// unspoken: the schema has a name that the session answers otherwise than it asks.
	unspoken bool

	variables variables // those that a table change looks at; see askVariables
	ownTime   bool      // SET timestamp stands still
}

func askSession(ctx context.Context, c *protocol.Conn) (sessionFacts, error) {
	f, _, err := askAlso(ctx, c)
	return f, err
}

// askAlso is askSession with more expressions, and their values.
func askAlso(ctx context.Context, c *protocol.Conn, more ...string) (sessionFacts, []string, error) {
	asked := []string{
		"DATABASE()", inUTF8("DATABASE()"), inUTF8("@@SESSION.sql_mode"),
		inUTF8("@@SESSION.character_set_client"), inUTF8("CURRENT_USER()"), "ABS(@@SESSION.timestamp - UNIX_TIMESTAMP(SYSDATE(6))) > 5",
	}
	v, err := askRow(ctx, c, append(asked, more...)...)
	if err != nil {
		return sessionFacts{}, nil, err
	}
	f := sessionFacts{schema: v[0], sqlMode: v[2], charset: v[3], user: v[4], ownTime: v[5] == "1"}
	if names, ok := decodeAll(f.charset, f.schema); v[0] != v[1] && (!ok || names[0] != v[1]) {
		f.schema, f.unspoken = "", true
	}
	return f, v[len(asked):], nil
}

// account is CURRENT_USER() of the client's session, asked once.
func (h *Handler) account(ctx context.Context, c *protocol.Conn) (string, error) {
	s := h.session(c)
	if s.account == "" {
		var err error
		if s.account, err = askText(ctx, c, "CURRENT_USER()"); err != nil {
			return "", err
		}
	}
	return s.account, nil
}

// forgetSQL reads a table, which is what makes the store forget the errors of
// our questions: a later SHOW WARNINGS of the client must not find them.
const forgetSQL = "SELECT 1 FROM (SELECT 1) x LIMIT 0"

// noColumn is a column no table has; noTable a table no schema has.
const (
	noColumn = "__dxf_no_such_column"
	noTable  = "__dxf_no_such_table"
)

// tableKind is what the client's session says a name is.
type tableKind int

const (
	baseTable tableKind = iota
	notOurs             // a view, a sequence or a temporary table
	locked              // the session holds LOCK TABLES
)

// askTable asks the client's session what a table is. It answers the store's
// own error where the client may not see it or it is not there.
func askTable(ctx context.Context, c *protocol.Conn, schema, table string, createIndex bool) (tableKind, error) {
	rs, err := query(ctx, c, "SHOW CREATE TABLE %s", server.Quote(schema, table))
	if code(err) == server.ErrTableAccessDenied {
		// Who may not even see the table is told so in the words of the change.
		if refused := mayAlter(ctx, c, schema, table, createIndex); refused != nil {
			return notOurs, refused
		}
	}
	if err != nil {
		return notOurs, err
	}
	if !strings.HasPrefix(field(rs, 0, 1), "CREATE TABLE ") {
		return notOurs, nil // CREATE TEMPORARY TABLE, a view's text, a sequence's
	}
	// A session that holds LOCK TABLES would wait for itself. Such a session
	// may not name a table it did not lock: 1100.
	_, err = query(ctx, c, "SELECT 1 FROM %s.%s LIMIT 0", server.Quote(schema), noTable)
	if code(err) == server.ErrTableNotLocked {
		return locked, nil
	}
	return baseTable, nil
}

// mayAlter asks whether the client may change the table: the same statement
// with a column that is not there is refused with 1072 when it may, and with
// the store's own words when it may not. Like the change itself it commits the
// open transaction.
func mayAlter(ctx context.Context, c *protocol.Conn, schema, table string, createIndex bool) error {
	probe := "ALTER TABLE %[1]s.%[2]s ADD INDEX __dxf_probe (" + noColumn + ")"
	if createIndex {
		probe = "CREATE INDEX __dxf_probe ON %[1]s.%[2]s (" + noColumn + ")"
	}
	_, err := query(ctx, c, probe, server.Quote(schema), server.Quote(table))
	if code(err) == server.ErrKeyColumnDoesNotExist {
		_, err = query(ctx, c, forgetSQL)
		return err
	}
	if err == nil {
		return dxf.Errorf("dxfproxy: table %s.%s has a column %s", schema, table, noColumn)
	}
	return err
}
