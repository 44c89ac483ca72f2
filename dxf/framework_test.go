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

// typeFiles hold what is a task type's own: here, and in package dispatcher.
var typeFiles = regexp.MustCompile(`^(backfill|importmeta|importprobe|importinto|submitter)`)

// typeText is a type's name, and, in SQL, a step by its number.
var typeText = regexp.MustCompile(`backfill|ImportInto|(?i)\bstep\s*(=|<>|<|>|IN\s*\()\s*-?\d`)

// TestFrameworkKnowsNoType: dispatcher, scheduler and the stores use no word of a task type,
// not in SQL either. What they need to know of one they ask its dxf.Type.
func TestFrameworkKnowsNoType(t *testing.T) {
	words := make(map[string]bool) // exported names that the files of the types declare
	for _, f := range goFiles(t, ".") {
		if !typeFiles.MatchString(f.name) {
			continue
		}
		for _, d := range f.Decls {
			for _, name := range declared(d) {
				words[name] = true
			}
		}
	}
	for _, name := range []string{"Backfill", "BackfillType", "BackfillMeta", "StepCopy", "ImportInto", "ImportType", "ImportMeta"} {
		require.True(t, words[name], "%s is declared elsewhere: this test looks at the wrong files", name)
	}
	seen := 0
	for _, dir := range []string{"../dispatcher", "../scheduler", "../store", "../store/memstore", "../store/internal/ask"} {
		for _, f := range goFiles(t, dir) {
			if typeFiles.MatchString(f.name) && dir == "../dispatcher" {
				continue
			}
			seen++
			ast.Inspect(f.File, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "dxf" && words[n.Sel.Name] {
						t.Errorf("%s: dxf.%s is a task type's own", f.position(n), n.Sel.Name)
					}
				case *ast.BasicLit:
					if n.Kind == token.STRING && typeText.MatchString(n.Value) {
						t.Errorf("%s: a task type's name or step in %s", f.position(n), n.Value)
					}
				}
				return true
			})
		}
	}
	require.Greater(t, seen, 30)
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

// declared are the names that a declaration makes for others.
func declared(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}
