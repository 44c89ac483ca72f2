package server

import (
	"errors"
	"slices"

	"github.com/go-sql-driver/mysql"
)

// IsErr says whether err is one of the server's errors with these numbers.
func IsErr(err error, numbers ...uint16) bool {
	var e *mysql.MySQLError
	return errors.As(err, &e) && slices.Contains(numbers, e.Number)
}
