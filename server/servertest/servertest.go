// Package servertest has every error of the server that package server has a number for, with
// what a job does that meets it, for the tests of whatever does a part of a job.
package servertest

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	binlog "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// An Error is one that the server may answer.
type Error struct {
	Name  string // ErrDupEntry
	Err   *mysql.MySQLError
	Waits bool // a job waits until it has passed; else it ends
}

func (e Error) String() string { return fmt.Sprintf("%s: %v", e.Name, e.Err) }

// Errors are all of numbers.go, as testdata/numbers.txt says what a job does about them.
func Errors(t *testing.T) (all []Error) {
	t.Helper()
	named := Numbers(t)
	text, err := os.ReadFile(filepath.Join(folder(), "testdata", "numbers.txt"))
	require.NoError(t, err)
	said := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 {
			said[f[2]] = f[1]
			number := named[f[2]]
			e := &mysql.MySQLError{Number: number, Message: cmp.Or(binlog.MySQLErrName[number], f[2])}
			copy(e.SQLState[:], cmp.Or(binlog.MySQLState[number], "HY000"))
			switch f[0] {
			case "waits", "ends":
				all = append(all, Error{f[2], e, f[0] == "waits"})
			case "full":
				full := *e
				full.Message = `Error writing file '/tmp/x' (errno: 28 "No space left on device")`
				all = append(all, Error{f[2], e, false}, Error{f[2], &full, true})
			default:
				require.FailNow(t, "neither waits nor ends", line)
			}
		}
	}
	for name, number := range named {
		require.Equal(t, fmt.Sprint(number), said[name], "numbers.txt, %s", name)
	}
	require.Len(t, said, len(named))
	return all
}

// Numbers are the constants of numbers.go.
func Numbers(t *testing.T) map[string]uint16 {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder(), "numbers.go"), nil, 0)
	require.NoError(t, err)
	all := map[string]uint16{}
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			var number uint16
			_, err := fmt.Sscan(v.Values[0].(*ast.BasicLit).Value, &number)
			require.NoError(t, err)
			all[v.Names[0].Name] = number
		}
		return true
	})
	return all
}

// folder is that of package server.
func folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(file))
}
