package sqlhandler

import (
	"context"
	"strings"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/protocol"
)

// What a session may set for itself must not change what it is taken for: with an
// sql_select_limit of 0 its account would have no name, and with a character_set_results
// such as utf16 or swe7 another one.

// askRow asks the client's session for the values of expressions, "" for NULL. It is one
// row, or an error.
func askRow(ctx context.Context, c *protocol.Conn, expressions ...string) ([]string, error) {
	rs, err := selectRow(ctx, c, expressions...)
	if err != nil {
		return nil, err
	}
	values := make([]string, len(expressions))
	for i := range values {
		values[i] = field(rs, 0, i)
	}
	return values, nil
}

// selectRow is askRow with the columns and types of the answer.
func selectRow(ctx context.Context, c *protocol.Conn, expressions ...string) (*protocol.ResultSet, error) {
	rs, err := c.Query(ctx, "SELECT "+strings.Join(expressions, ", ")+" LIMIT 1") // which goes before sql_select_limit
	if err == nil && (len(rs.Rows) != 1 || len(rs.Rows[0]) != len(expressions)) {
		err = dxf.Errorf("dxfproxy: the store does not tell %s", strings.Join(expressions, ", "))
	}
	return rs, err
}

// askText asks for one value that is no name of a table or schema to be used in further
// questions, in UTF-8.
func askText(ctx context.Context, c *protocol.Conn, expression string) (string, error) {
	values, err := askRow(ctx, c, inUTF8(expression))
	if err != nil {
		return "", err
	}
	return values[0], nil
}

// inUTF8 is an expression of a function or a variable of the server, in the character
// set that these have. What is binary is not put into that of results.
func inUTF8(expression string) string { return "CAST(" + expression + " AS BINARY)" }

// lineInUTF8 is a line of SHOW GRANTS, as the session's character_set_results has it. ok
// is false for a set in which the quotes around names may be gone, or be halves of
// characters: what is a name and what a privilege could not be told.
func lineInUTF8(charset, line string) (text string, ok bool) {
	if !plainSets[charset] && !ambiguous[charset] {
		return "", false
	}
	b, err := decode.ToUTF8(charset, []byte(line))
	return string(b), err == nil
}
