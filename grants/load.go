package grants

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/server"
)

// ErrUnreadable: our own account may not look at other accounts' grants. It
// needs SELECT on the schema mysql (MariaDB and MySQL manuals, "SHOW GRANTS").
var ErrUnreadable = errors.New("the account of the store may not see other accounts' grants")

// Queryer is a pool, a connection or a transaction.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Load reads what the session's account has, its active roles included.
func Load(ctx context.Context, q Queryer) (Held, error) {
	var h Held
	if err := h.read(ctx, q, "SHOW GRANTS"); err != nil {
		return h, fmt.Errorf("read our account's grants: %w", err)
	}
	return h, nil
}

// everybody is MariaDB's role whose grants all accounts have. To MySQL it is an
// account that is not there.
const everybody = "PUBLIC"

// maxRoles bounds how many roles are followed.
const maxRoles = 1000

// Of reads the grants of an account, user@host as CURRENT_USER() tells it, those
// of its roles and of their roles, and MariaDB's of everybody. An account that
// is gone has none.
//
// What is read is the most that the account can have: roles count whether they
// are active or not. So a privilege that is missing here has been taken away.
func Of(ctx context.Context, q Queryer, account string) (Held, error) {
	at := strings.LastIndexByte(account, '@')
	if at < 0 {
		return Held{}, fmt.Errorf("read the grants of %q: it is not user@host", account)
	}
	all := Held{roles: []string{quote(account[:at]) + "@" + quote(account[at+1:]), everybody}}
	seen := map[string]bool{}
	for i := 0; i < len(all.roles) && i < maxRoles; i++ {
		who := all.roles[i]
		if seen[who] {
			continue
		}
		seen[who] = true
		if err := all.load(ctx, q, who); err != nil {
			return Held{}, fmt.Errorf("read the grants of %s: %w", account, err)
		}
	}
	return all, nil
}

func (h *Held) load(ctx context.Context, q Queryer, who string) error {
	return refusal(h.read(ctx, q, "SHOW GRANTS FOR "+who), who)
}

func (h *Held) read(ctx context.Context, q Queryer, show string) error {
	rows, err := q.QueryContext(ctx, show)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		h.Add(line)
	}
	return rows.Err()
}

// refusal is nil for an account that is not there, and for everybody where the
// server knows no such role.
func refusal(err error, who string) error {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Number {
	case server.ErrNonexistingGrant, server.ErrPasswordNoMatch, server.ErrNonexistingTableGrant, server.ErrInvalidRole,
		server.ErrUnknownAuthID:
		return nil
	case server.ErrParse:
		if who == everybody {
			return nil
		}
	case server.ErrDBAccessDenied, server.ErrTableAccessDenied, server.ErrSpecificAccessDenied,
		server.ErrOptionPreventsStatement: // --skip-grant-tables
		return fmt.Errorf("%w: %s", ErrUnreadable, e.Message)
	}
	return err
}

// quote makes a text of a part of an account's name, which may be empty. Our
// sessions let a backslash escape.
func quote(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(s) + "'" }
