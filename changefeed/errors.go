package changefeed

import (
	"errors"
	"strings"

	binlog "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/go-sql-driver/mysql"

	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/table"
)

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
	if be := reading(err); be != nil && be.Number == server.ErrMasterFatalReadingBinlog &&
		strings.Contains(be.Message, "truncated in the middle of event") {
		limit = stubbornFull
	}
	return interruptions >= limit && lasting(err)
}

// lasting says whether a server's error is not known to pass. Of those that end the
// reading of the binlog only the reader that was replaced comes back.
func lasting(err error) bool {
	if n := server.Number(err); n != 0 {
		return !server.Passes(err)
	}
	be := reading(err)
	return be != nil && !server.Passes(be) && !(be.Number == server.ErrMasterFatalReadingBinlog && strings.Contains(be.Message, "same server"))
}

// reading is an error with which the server ended the reading of the binlog, as if a
// statement had met it; nil is another one.
func reading(err error) *mysql.MySQLError {
	var be *binlog.MyError
	if !errors.As(err, &be) {
		return nil
	}
	e := &mysql.MySQLError{Number: be.Code, Message: be.Message}
	copy(e.SQLState[:], be.State)
	return e
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
	if be := reading(err); be != nil && be.Number == server.ErrMasterFatalReadingBinlog && gone(be.Message) {
		return dxf.Errorf("the binlog that job %d has to read is no longer on the server (%s): "+
			"keep it longer (expire_logs_days, binlog_expire_logs_seconds, no PURGE while a job runs) and run the statement again",
			job, be.Message)
	}
	var ee *replication.EventError
	if errors.As(err, &ee) {
		return dxf.Errorf("changefeed of job %d: a %s cannot be decoded: %s", job, ee.Header.EventType, ee.Err)
	}
	return refused(err)
}

// refused is the server's answer where it is about what a statement says or writes, so that
// the next one would get the same; nil for others.
func refused(err error) *dxf.Error {
	var me *mysql.MySQLError
	if !errors.As(err, &me) || server.Passes(err) { // limits of accounts (1203, 1226) have the class of access, and pass
		return nil
	}
	e := server.Answer(me)
	for _, class := range []string{"22", "23", "42"} { // data exception; constraint; syntax or access
		if strings.HasPrefix(e.State, class) {
			return e
		}
	}
	return nil
}

// gone tells the meanings of error 1236 apart: a missing or shorter file does not
// come back, a reader that was replaced or a server that shuts down does.
func gone(message string) bool {
	for _, s := range []string{"first log file", "purged", "impossible position", "not find", "past the end", "end of file",
		"corrupt", "bogus data"} {
		if strings.Contains(strings.ToLower(message), s) {
			return true
		}
	}
	return false
}
