package grants

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// errUnfit is an account that the store lets in, and that is not what its role asks for.
var errUnfit = errors.New("account does not fit")

// ErrBeyond is an ErrUnfit that has more than it must.
var ErrBeyond = fmt.Errorf("%w: it must not have", errUnfit)

// Fits takes a session of a user's and compares what the account has with the needs
// of its role. refused is why it cannot be used: the store's refusal, or ErrUnfit.
func (l Layout) Fits(ctx context.Context, db *sql.DB, user string, r Role) (refused, err error) {
	conn, err := db.Conn(ctx)
	var no *mysql.MySQLError
	if errors.As(err, &no) {
		return err, nil
	} else if err != nil {
		return nil, err
	}
	defer conn.Close()
	var who string
	if err := conn.QueryRowContext(ctx, `SELECT CURRENT_USER()`).Scan(&who); err != nil {
		return nil, err
	}
	if at := strings.LastIndexByte(who, '@'); at < 0 || who[:at] != user { // an anonymous account
		return fmt.Errorf("%w: the store takes %s for %s", errUnfit, user, QuoteAccount(who)), nil
	}
	held, err := Load(ctx, conn)
	if err != nil {
		return nil, err
	}
	needs := l.Needs(r)
	if missing := held.Lacks(needs); len(missing) > 0 {
		return fmt.Errorf("%w: it lacks %s", errUnfit, list(missing)), nil
	}
	if more := held.beyond(needs); r == Trial && len(more) > 0 {
		return fmt.Errorf("%w %s", ErrBeyond, strings.Join(more, "; ")), nil
	}
	return nil, nil
}
