package dxf_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// typeText is a type's name, and, in SQL, a step by its number.
var typeText = regexp.MustCompile(`backfill|ImportInto|(?i)\bstep\s*(=|<>|<|>|IN\s*\()\s*-?\d`)

// TestFrameworkKnowsNoType: dispatcher, scheduler and the stores use no word of a task type,
// not in SQL either. What they need to know of one they ask its dxf.Type.
func TestFrameworkKnowsNoType(t *testing.T) {
	seen := 0
	for _, dir := range []string{".", "../dispatcher", "../scheduler", "../executor", "../store", "../store/memstore", "../store/internal/ask"} {
		for _, f := range goFiles(t, dir) {
			seen++
			for _, i := range f.Imports {
				if path := strings.Trim(i.Path.Value, `"`); path == "dxfproxy/backfill" || path == "dxfproxy/importinto" {
					t.Errorf("%s: %s is a task type's", f.position(i), path)
				}
			}
			ast.Inspect(f.File, func(n ast.Node) bool {
				if n, ok := n.(*ast.BasicLit); ok && n.Kind == token.STRING && typeText.MatchString(n.Value) {
					t.Errorf("%s: a task type's name or step in %s", f.position(n), n.Value)
				}
				return true
			})
		}
	}
	require.Greater(t, seen, 40)
	script, err := os.ReadFile("../store/schema.sql")
	require.NoError(t, err)
	require.Empty(t, typeText.FindAllString(string(script), -1), "in schema.sql")
}

type goFile struct {
	*ast.File
	name string
	set  *token.FileSet
}

func (f goFile) position(n ast.Node) token.Position { return f.set.Position(n.Pos()) }

// goFiles parses the files of a package, without its tests.
func goFiles(t *testing.T, dir string) (files []goFile) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, filepath.Join(dir, e.Name()), nil, 0)
		require.NoError(t, err)
		files = append(files, goFile{f, e.Name(), set})
	}
	return files
}
