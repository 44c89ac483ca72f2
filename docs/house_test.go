package docs_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "renew the picture of the packages and the table of who imports whom")

const module = "dxfproxy/"

// imports asks the go command which of our packages import which others of ours, by their
// names without that of the module.
func imports(t *testing.T, args ...string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports"}, args...)...)
	cmd.Dir, cmd.Stderr = "..", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err == io.EOF {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		if name, ours := strings.CutPrefix(p.ImportPath, module); ours {
			found[name] = []string{}
			for _, i := range p.Imports {
				if i, ours := strings.CutPrefix(i, module); ours {
					found[name] = append(found[name], i)
				}
			}
		}
	}
}

var packageRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|\n]+) \\| ([^|\n]*)\\|$")

// TestPackages holds ARCHITECTURE.md against the code: a sentence for each package, and the
// packages that it imports.
func TestPackages(t *testing.T) {
	have := imports(t, "./...")
	text := readPage(t, "ARCHITECTURE.md")
	begin := strings.Index(text, "| package |")
	end := begin + strings.Index(text[begin:], "\n\n")
	said := map[string]bool{}
	fresh := packageRow.ReplaceAllStringFunc(text[begin:end], func(row string) string {
		m := packageRow.FindStringSubmatch(row)
		list, ok := have[m[1]]
		if !ok {
			t.Errorf("ARCHITECTURE.md has an entry for %s, which is no package", m[1])
			return row
		}
		said[m[1]] = true
		cell := ""
		if len(list) > 0 {
			cell = strings.Join(list, ", ") + " "
		}
		return fmt.Sprintf("| `%s` | %s | %s|", m[1], m[2], cell)
	})
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if !said[name] {
			t.Errorf("ARCHITECTURE.md has no entry for %s", name)
		}
	}
	same(t, "../ARCHITECTURE.md", text, text[:begin]+fresh+text[end:])
}

// same compares a file with what it should be, or makes it so.
func same(t *testing.T, file, is, shouldBe string) {
	t.Helper()
	switch {
	case is == shouldBe:
	case *update:
		if err := os.WriteFile(file, []byte(shouldBe), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not show what imports what any more: go test ./docs -run 'TestPackages|TestHouse' -update", file)
	}
}

// TestHouse draws the packages of the program as house.txt lays them out, and the arrows
// between them, of which none may point up.
func TestHouse(t *testing.T) {
	have := imports(t, "-deps", "./cmd/dxfproxy")
	layout, err := os.ReadFile("house.txt")
	if err != nil {
		t.Fatal(err)
	}
	h := readHouse(string(layout))
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := h.rooms[name]; !ok {
			t.Errorf("house.txt has no place for %s", name)
		}
	}
	for name := range h.rooms {
		if _, ok := have[name]; !ok {
			t.Errorf("house.txt has a place for %s, which is not in the program", name)
		}
	}
	if t.Failed() {
		return
	}
	for from, list := range have {
		for _, to := range list {
			if a, b := h.rooms[from], h.rooms[to]; a.row >= b.row {
				t.Errorf("the arrow from %s to %s does not point down", from, to)
			}
		}
	}
	is, err := os.ReadFile("house.svg")
	if err != nil && !*update {
		t.Fatal(err)
	}
	same(t, "house.svg", string(is), h.draw(needed(have)))
}

// foundations are the packages that stand on nothing of ours, or on no more than these.
var foundations = map[string][]string{
	"dxf": {}, "sysvars": {}, "protocol": {}, "sqltext": {"dxf", "sysvars"}, "server": {"dxf"},
	"dispatcher": {"dxf"}, "scheduler": {"dxf"},
}

// TestFoundations: what everything stands on, and the framework that knows no task type, keep
// to themselves.
func TestFoundations(t *testing.T) {
	have := imports(t, "./...")
	for _, name := range slices.Sorted(maps.Keys(foundations)) {
		list, ok := have[name]
		if !ok {
			t.Errorf("there is no package %s", name)
		}
		for _, to := range list {
			if !slices.Contains(foundations[name], to) {
				t.Errorf("%s imports %s", name, to)
			}
		}
	}
}

// needed leaves out each arrow for which there is a longer way.
func needed(have map[string][]string) map[string][]string {
	var reaches func(from, to string) bool
	reaches = func(from, to string) bool {
		return slices.ContainsFunc(have[from], func(next string) bool { return next == to || reaches(next, to) })
	}
	left := map[string][]string{}
	for from, list := range have {
		for _, to := range list {
			if !slices.ContainsFunc(list, func(other string) bool { return other != to && reaches(other, to) }) {
				left[from] = append(left[from], to)
			}
		}
	}
	return left
}
