package changefeed

import (
	"errors"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

// duplicate makes the client's error of error 1062: about the user's table, not
// about the shadow that the server speaks of.
func (w *writer) duplicate(f dxf.Feed, err error) error {
	var e *mysql.MySQLError
	errors.As(err, &e)
	if value, key, ok := server.Duplicate(e.Message); ok && key == w.layout.key {
		return dxf.Errorf("shadow %s has diverged from its table: there is a row with key %s already (job %d); the table itself is unharmed, "+
			"run the statement again",
			w.layout.shadow, value, f.JobID)
	}
	return server.ClientError(err, f.Table)
}
