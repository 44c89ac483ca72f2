package changefeed

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	binlog "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/go-sql-driver/mysql"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

// Server error numbers (MariaDB manual, "MariaDB Error Codes").
const (
	errDuplicate   = 1062
	errNoTable     = 1146
	errLockTimeout = 1205
	errDeadlock    = 1213
	errBinlogRead  = 1236
)

func isLockConflict(err error) bool {
	var me *mysql.MySQLError
	return errors.As(err, &me) && (me.Number == errLockTimeout || me.Number == errDeadlock)
}

// stubborn is how often an error of the server may interrupt a feed without any
// progress in between (about half a minute), unless it is one that passes.
const stubborn = 12

// stubbornFull is the same (about ten minutes) for an event that is not whole at the binlog's
// end: so the server leaves it while its disk is full, and writes the rest when there is room;
// but so a crash may leave it for good.
const stubbornFull = 240

// givesUp says whether a feed ends that err has interrupted so many times.
func givesUp(err error, interruptions int) bool {
	limit := stubborn
	var be *binlog.MyError
	if errors.As(err, &be) && be.Code == errBinlogRead && strings.Contains(be.Message, "truncated in the middle of event") {
		limit = stubbornFull
	}
	return interruptions >= limit && lasting(err)
}

// passing are errors of the server that end by themselves or by an operator.
var passing = server.Passing

// lasting says whether a server's error is not known to pass. Of those that end the
// reading of the binlog only the reader that was replaced comes back.
func lasting(err error) bool {
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		return !slices.Contains(passing, me.Number)
	}
	var be *binlog.MyError
	return errors.As(err, &be) && !slices.Contains(passing, be.Code) && !(be.Code == errBinlogRead && strings.Contains(be.Message, "same server"))
}

// fatal says whether a feed cannot go on after err, and how clients are told. What
// is not listed here (lost connections above all) is tried again.
func fatal(job int64, err error) *dxf.Error {
	var de *dxf.Error
	if errors.As(err, &de) {
		return de
	}
	if errors.Is(err, table.ErrNoTable) {
		return dxf.Errorf("changefeed of job %d: %v; run the statement again", job, err)
	}
	if errors.Is(err, mysql.ErrPktTooLarge) {
		return dxf.Errorf("changefeed of job %d: a row is too large for one statement of this node's connection to the store (%v)", job, err)
	}
	var be *binlog.MyError
	if errors.As(err, &be) && be.Code == errBinlogRead && gone(be.Message) {
		return dxf.Errorf("the binlog that job %d has to read is no longer on the server (%s): keep it longer (expire_logs_days, binlog_expire_logs_seconds, no PURGE while a job runs) and run the statement again",
			job, be.Message)
	}
	var ee *replication.EventError
	if errors.As(err, &ee) {
		return dxf.Errorf("changefeed of job %d: a %s cannot be decoded: %s", job, ee.Header.EventType, ee.Err)
	}
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		switch {
		case me.Number == errNoTable,
			strings.HasPrefix(string(me.SQLState[:]), "22"), // data exception
			strings.HasPrefix(string(me.SQLState[:]), "23"), // constraint
			strings.HasPrefix(string(me.SQLState[:]), "42"): // syntax or access
			return &dxf.Error{Code: me.Number, State: string(me.SQLState[:]), Message: me.Message}
		}
	}
	return nil
}

// gone tells the meanings of error 1236 apart: a missing or shorter file does not
// come back, a reader that was replaced or a server that shuts down does.
func gone(message string) bool {
	for _, s := range []string{"first log file", "purged", "impossible position", "not find", "past the end", "end of file", "corrupt", "bogus data"} {
		if strings.Contains(strings.ToLower(message), s) {
			return true
		}
	}
	return false
}

// wait sleeps, and says whether it was not interrupted.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
