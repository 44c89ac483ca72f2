package server_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/server/servertest"
)

// apart are folders that do not stand on package server: leaves that answer clients with
// numbers of their own choice, and what only tests and measures.
var apart = []string{
	"protocol", "dxf", "sysvars", "source", "decode", "sqltext", "mariadbd", "internal", "storetest", "testdata",
}

// TestNumbersStandOnce: a number of the server's has its name here, and others use that.
func TestNumbersStandOnce(t *testing.T) {
	names := map[string]string{}
	for name, number := range servertest.Numbers(t) {
		if number >= 1000 {
			names[fmt.Sprint(number)] = name
		}
	}
	files := token.NewFileSet()
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != ".." && (slices.Contains(apart, d.Name()) || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"), filepath.Base(path) == "numbers.go":
			return nil
		}
		f, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			for _, lit := range literals(n) {
				if name, ok := names[lit.Value]; ok {
					t.Errorf("%s: %s is server.%s", files.Position(lit.Pos()), lit.Value, name)
				}
			}
			return true
		})
		return nil
	}))
}

// literals are the numbers of a node which must be errors': arguments of IsErr, what is compared
// with an error's number, what an error is made with, and constants called as errors are.
func literals(n ast.Node) []*ast.BasicLit {
	var found []ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr:
		if strings.HasSuffix(spelled(n.Fun), "IsErr") {
			found = n.Args
		}
	case *ast.BinaryExpr:
		if isNumber(n.X) {
			found = []ast.Expr{n.Y}
		}
	case *ast.SwitchStmt:
		if n.Tag != nil && isNumber(n.Tag) {
			for _, c := range n.Body.List {
				found = append(found, c.(*ast.CaseClause).List...)
			}
		}
	case *ast.KeyValueExpr:
		if key := spelled(n.Key); key == "Code" || key == "Number" {
			found = []ast.Expr{n.Value}
		}
	case *ast.ValueSpec:
		if strings.HasPrefix(n.Names[0].Name, "er") || strings.HasPrefix(n.Names[0].Name, "Er") {
			found = n.Values
		}
	}
	var all []*ast.BasicLit
	for _, e := range found {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.INT {
			all = append(all, lit)
		}
	}
	return all
}

// isNumber says whether an expression is an error's number: e.Number, e.Code, code(err).
func isNumber(e ast.Expr) bool {
	if call, ok := e.(*ast.CallExpr); ok {
		e = call.Fun
	}
	name := strings.ToLower(spelled(e))
	return strings.HasSuffix(name, "number") || strings.HasSuffix(name, "code")
}

func spelled(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
