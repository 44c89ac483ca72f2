package lifeline

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"dxfproxy/server"
)

// settings make sessions alike on every server, whatever its global variables and
// init_connect say: UTC, strict, every statement a transaction of its own unless BEGIN says
// otherwise, READ COMMITTED (no gap locks). They give up on locks after 5 s. What they wait for on
// the network has limits that are not an operator's for his clients: an idle session lives for
// ten minutes, which is more than a pool keeps one.
//
// autocommit comes first: it ends a transaction that init_connect has begun.
var settings = []string{
	"autocommit = 1", "completion_type = 0",
	"time_zone = '+00:00'", "sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
	"innodb_lock_wait_timeout = 5", "lock_wait_timeout = 50",
	"wait_timeout = 600", "net_read_timeout = 30", "net_write_timeout = 30",
	"sql_select_limit = 18446744073709551615", "sql_safe_updates = 0", "sql_big_selects = 1", "sql_auto_is_null = 0",
	"foreign_key_checks = 1", "unique_checks = 1",
}

// Of one family each. MariaDB ends a connection whose transaction stands idle for 10 s: a
// frozen node must not keep its locks longer than its leases. MySQL tells AUTO_INCREMENT and
// sizes as they are, not as of up to a day ago.
var (
	settingsMariaDB = []string{"max_statement_time = 0", "idle_transaction_timeout = 10", "alter_algorithm = 'DEFAULT'"}
	settingsMySQL   = []string{"max_execution_time = 0", "information_schema_stats_expiry = 0"}
)

const (
	names = "SET NAMES utf8mb4"
	// readCommitted as a statement is what every server knows.
	readCommitted = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"
	// rowFormat: READ COMMITTED cannot be written to a binlog of statements. An account
	// that may not set it, as those on MariaDB, finds the server's format good enough or,
	// where that is STATEMENT, gives its isolation up: jobs must come to an end there, and
	// be cleaned up.
	rowFormat  = "binlog_format = 'ROW'"
	repeatable = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE"
)

// all are the settings for a server, with those of transactions as variables, so that they go
// into one statement with the others.
func (s *session) all() []string {
	transaction, family := "transaction", settingsMySQL
	if s.mariaDB() {
		family = settingsMariaDB
		if major, minor := s.numbers(); major < 11 || major == 11 && minor == 0 {
			transaction = "tx"
		}
	}
	all := append(slices.Clone(settings), transaction+"_isolation = 'READ-COMMITTED'", transaction+"_read_only = 0")
	return append(all, family...)
}

// numbers are the first two of the server's version.
func (s *session) numbers() (major, minor int) {
	_, _ = fmt.Sscanf(s.version, "%d.%d", &major, &minor)
	return major, minor
}

// A manner is how a pool's sessions are set up. What fails once, fails for all of them.
type manner = int32

const (
	atOnce    manner = iota // by one statement
	allButRow               // and the account may not set the format of the binlog
	oneByOne                // because the server does not know all of them
)

// setUp makes the session what the pool's users expect.
func (s *session) setUp(ctx context.Context, how *atomic.Int32) error {
	if err := s.identify(ctx); err != nil {
		return err
	}
	if strings.Contains(s.version, "-TiDB-") {
		return nil // has other settings, and refuses some of these; it is no store for jobs
	}
	if err := s.set(ctx, how); err != nil || s.format != statementFormat {
		return err
	}
	return s.bearFormat(ctx)
}

const statementFormat = "STATEMENT"

// bearFormat makes the best of a session that began with the format STATEMENT. If it has
// to stay with that it is used once: it would go on so when the server's format is ROW
// again.
func (s *session) bearFormat(ctx context.Context) error {
	if err := s.identify(ctx); err != nil || s.format != statementFormat {
		return err
	}
	s.spent.Store(true)
	_, err := s.ExecContext(ctx, repeatable, nil)
	return err
}

// set makes all settings.
func (s *session) set(ctx context.Context, how *atomic.Int32) error {
	for {
		all, tried := s.all(), how.Load() // which another session may change meanwhile
		switch tried {
		case oneByOne:
			return s.one(ctx, append(all, rowFormat))
		case atOnce:
			all = append(all, rowFormat)
		}
		_, err := s.ExecContext(ctx, names+", SESSION "+strings.Join(all, ", SESSION "), nil)
		switch {
		case server.IsErr(err, server.ErrUnknownSystemVariable):
			how.Store(oneByOne)
		case server.IsErr(err, server.ErrSpecificAccessDenied) && tried == atOnce:
			how.CompareAndSwap(atOnce, allButRow)
		default:
			return err
		}
	}
}

// one makes settings one by one, those that the server knows and the account may make.
func (s *session) one(ctx context.Context, all []string) error {
	for _, q := range []string{names, readCommitted} {
		if _, err := s.ExecContext(ctx, q, nil); err != nil {
			return err
		}
	}
	for _, set := range all {
		_, err := s.ExecContext(ctx, "SET SESSION "+set, nil)
		denied := set == rowFormat && server.IsErr(err, server.ErrSpecificAccessDenied)
		if err != nil && !denied && !server.IsErr(err, server.ErrUnknownSystemVariable) {
			return err
		}
	}
	return nil
}

// host tells servers apart that answer at one address.
type host struct {
	id   int64
	host string
	port int64
}

// identifySQL has a LIMIT, which goes before sql_select_limit.
const identifySQL = `SELECT CONNECTION_ID(), VERSION(), @@GLOBAL.server_id, @@GLOBAL.hostname, @@GLOBAL.port, ` +
	`@@SESSION.binlog_format LIMIT 1`

// identify asks which session this is, of which server.
func (s *session) identify(ctx context.Context) error {
	rows, err := s.QueryContext(ctx, identifySQL, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	row := make([]driver.Value, 6)
	if err := rows.Next(row); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the server does not say which session this is")
		}
		return err
	}
	s.id, s.version = integer(row[0]), text(row[1])
	s.server = host{id: integer(row[2]), host: text(row[3]), port: integer(row[4])}
	s.format = text(row[5])
	return nil
}

func (s *session) mariaDB() bool { return server.FamilyOfVersion(s.version) == server.MariaDB }

// text and integer read a value as the driver gives it.
func text(v driver.Value) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

func integer(v driver.Value) int64 {
	n, _ := strconv.ParseInt(text(v), 10, 64)
	return n
}
