package docs_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// A file and a function are read in one sitting, a line without turning one's head. Rows of
// tests' tables may be longer.
const (
	longestFile     = 400 // lines
	longestFunction = 80  // lines, from "func" to the brace that ends it
)

// TestSizes holds every Go file of the module against these limits, and finds packages
// that do not say what they are.
func TestSizes(t *testing.T) {
	files := goFiles(t, "..")
	if len(files) < 100 {
		t.Fatalf("only %d Go files were found", len(files))
	}
	sizes := make([]size, len(files))
	var all sync.WaitGroup
	for i, file := range files {
		all.Go(func() { sizes[i] = measure(file) })
	}
	all.Wait()
	documented := map[string]bool{}
	for i, s := range sizes {
		for _, fault := range s.faults {
			t.Error(fault)
		}
		dir := filepath.Dir(files[i])
		documented[dir] = documented[dir] || s.documents
	}
	for dir, is := range documented {
		if !is {
			t.Errorf("%s: no file begins with a comment \"// Package <name> ...\" or, of a program, \"// Command <folder> ...\"", dir)
		}
	}
}

// goFiles are the files below root that the go command takes for the module's own.
func goFiles(t *testing.T, root string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case path == root:
		case d.IsDir():
			_, another := os.Stat(filepath.Join(path, "go.mod"))
			if another == nil || name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
				return filepath.SkipDir
			}
		case strings.HasSuffix(name, ".go"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A size is what measure found in a file.
type size struct {
	faults    []string
	documents bool // it has the package's comment
}

func measure(file string) (s size) {
	text, err := os.ReadFile(file)
	if err != nil {
		return size{faults: []string{err.Error()}}
	}
	positions := token.NewFileSet()
	f, err := parser.ParseFile(positions, file, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return size{faults: []string{err.Error()}}
	}
	fault := func(line int, format string, args ...any) {
		s.faults = append(s.faults, fmt.Sprintf("%s:%d: ", file, line)+fmt.Sprintf(format, args...))
	}
	if n := bytes.Count(text, []byte("\n")); n > longestFile {
		fault(n, "a file of %d lines, more than %d", n, longestFile)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		what := "a function"
		switch n := n.(type) {
		case *ast.FuncDecl:
			what = n.Name.Name
		case *ast.FuncLit:
		default:
			return true
		}
		begin, end := positions.Position(n.Pos()).Line, positions.Position(n.End()).Line
		if lines := end - begin + 1; lines > longestFunction {
			fault(begin, "%s has %d lines, more than %d", what, lines, longestFunction)
		}
		return false // what is inside of it is shorter
	})
	if strings.HasSuffix(file, "_test.go") {
		return s
	}
	for i, line := range strings.Split(string(text), "\n") {
		if n := utf8.RuneCountInString(line); n > longestLine {
			fault(i+1, "%d characters, more than %d", n, longestLine)
		}
	}
	begins := "Package " + f.Name.Name + " "
	if f.Name.Name == "main" {
		begins = "Command " + filepath.Base(filepath.Dir(file)) + " "
	}
	s.documents = strings.HasPrefix(f.Doc.Text(), begins)
	return s
}
