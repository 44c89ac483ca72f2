package changefeed

import (
	"fmt"
	"testing"

	binlog "github.com/go-mysql-org/go-mysql/mysql"

	"dxfproxy/server/servertest"
)

// TestEveryNumber: a feed ends by what ends every other part of a job, whether a statement or
// the reading of the binlog meets it, and waits for the rest.
func TestEveryNumber(t *testing.T) {
	for _, e := range servertest.Errors(t) {
		read := &binlog.MyError{Code: e.Err.Number, State: string(e.Err.SQLState[:]), Message: e.Err.Message}
		for _, err := range []error{fmt.Errorf("apply a window: %w", e.Err), fmt.Errorf("read the binlog: %w", read)} {
			if ends := fatal(7, err) != nil || givesUp(err, stubborn); ends == e.Waits {
				t.Errorf("%s: ends %v", err, ends)
			}
		}
	}
}
