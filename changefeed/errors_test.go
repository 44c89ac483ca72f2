package changefeed

import (
	"fmt"
	"testing"

	binlog "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"

	"dxfproxy/server"
)

// TestC7Lasting: reading the binlog may end for reasons that do not pass, and then the
// job ends too.
func TestC7Lasting(t *testing.T) {
	for message, want := range map[string]bool{
		"A slave with the same server_uuid/server_id as this slave has connected to the master":     false,
		"A replica with the same server_uuid/server_id as this replica has connected to the source": false,
		"binlog truncated in the middle of event; consider out of disk space on master":             true,
		"log event entry exceeded max_allowed_packet; Increase max_allowed_packet on source":        true,
		"Binary log is not open": true,
	} {
		err := fmt.Errorf("read the binlog: %w", &binlog.MyError{Code: server.ErrMasterFatalReadingBinlog, Message: message})
		if got := lasting(err); got != want {
			t.Errorf("%s: %v", message, got)
		}
	}
	for code, want := range map[uint16]bool{1053: false, 1227: true} {
		if lasting(&binlog.MyError{Code: code}) != want || lasting(&mysql.MySQLError{Number: code}) != want {
			t.Errorf("error %d", code)
		}
	}
	if lasting(mysql.ErrInvalidConn) {
		t.Error("a lost connection does not pass")
	}
}

// TestFullDisk: where the server's disk is full its binlog ends in the middle of an event, until
// there is room again. That is waited for, but not for ever.
func TestFullDisk(t *testing.T) {
	full := &binlog.MyError{Code: server.ErrMasterFatalReadingBinlog, Message: "binlog truncated in the middle of event; consider out of disk space on master; the first event 'binlog.000001' at 4"}
	other := &binlog.MyError{Code: server.ErrMasterFatalReadingBinlog, Message: "Binary log is not open"}
	for _, c := range []struct {
		err  error
		n    int
		want bool
	}{{other, stubborn - 1, false}, {other, stubborn, true}, {full, 100, false}, {full, stubbornFull, true}} {
		if givesUp(c.err, c.n) != c.want {
			t.Errorf("%v, %d times: %v", c.err, c.n, !c.want)
		}
	}
}
