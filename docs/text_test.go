package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/sysvars"
)

// others are the pages that are read, but not run.
var others = []string{"ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"}

const (
	longestReadme = 900 // words
	longestLine   = 140 // characters, but for tables
)

func TestLengths(t *testing.T) {
	if n := len(strings.Fields(readPage(t, "README.md"))); n > longestReadme {
		t.Errorf("README.md has %d words, more than %d: it is a door, not the house", n, longestReadme)
	}
	for _, page := range append(pages(t), "ARCHITECTURE.md") {
		for i, line := range strings.Split(readPage(t, page), "\n") {
			if n := utf8.RuneCountInString(line); n > longestLine && !strings.HasPrefix(line, "|") {
				t.Errorf("%s:%d: %d characters", page, i+1, n)
			}
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are what GitHub makes of the headings of a page.
func anchors(text string) []string {
	var found []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		found = append(found, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return found
}

// TestLinks follows every link to a file of the tree, and to a heading in it.
func TestLinks(t *testing.T) {
	for _, page := range append(pages(t), others...) {
		for _, m := range link.FindAllStringSubmatch(readPage(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			name, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if name != "" {
				target = filepath.Join(filepath.Dir(page), name)
			}
			if _, err := os.Stat(filepath.Join("..", target)); err != nil {
				t.Errorf("%s: %s: %v", page, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(readPage(t, target)), anchor) {
				t.Errorf("%s: %s: no such heading", page, m[1])
			}
		}
	}
}

var (
	makes  = regexp.MustCompile("(?m)(?:`|^)make ([a-z][a-z-]*)")
	target = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
)

// TestMakeTargets looks for what the pages say one can make.
func TestMakeTargets(t *testing.T) {
	var have []string
	for _, m := range target.FindAllStringSubmatch(readPage(t, "Makefile"), -1) {
		have = append(have, m[1])
	}
	for _, page := range append(pages(t), others...) {
		for _, m := range makes.FindAllStringSubmatch(readPage(t, page), -1) {
			if !slices.Contains(have, m[1]) {
				t.Errorf("%s: there is no make %s", page, m[1])
			}
		}
	}
}

var (
	flagName    = regexp.MustCompile(`--[a-z][a-z-]+`)
	helpLine    = regexp.MustCompile(`(?m)^  (--[a-z][a-z-]+)`)
	flagRow     = regexp.MustCompile("(?m)^\\| `--[^|]*")
	variableRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([^|]+) \\|")
)

// TestFlags compares the tables of flags.md with --help.
func TestFlags(t *testing.T) {
	help, err := exec.Command(clustertest.Binary, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, m := range helpLine.FindAllStringSubmatch(string(help), -1) {
		have = append(have, m[1])
	}
	if len(have) == 0 {
		t.Fatalf("--help has no flags:\n%s", help)
	}
	var said []string
	for _, row := range flagRow.FindAllString(readPage(t, "docs/flags.md"), -1) {
		said = append(said, flagName.FindAllString(row, -1)...)
	}
	for _, name := range have {
		if !slices.Contains(said, name) {
			t.Errorf("flags.md has no row for %s", name)
		}
	}
	for _, name := range said {
		if !slices.Contains(have, name) {
			t.Errorf("flags.md has a row for %s, which --help does not know", name)
		}
	}
}

// TestVariables compares the tables of variables.md with the variables there are.
func TestVariables(t *testing.T) {
	said := map[string]string{}
	for _, m := range variableRow.FindAllStringSubmatch(readPage(t, "docs/variables.md"), -1) {
		said[m[1]] = strings.Trim(m[2], "`'")
	}
	for _, v := range sysvars.All() {
		switch is, ok := said[v.Name]; {
		case !ok:
			t.Errorf("variables.md has no row for %s", v.Name)
		case is != v.Default:
			t.Errorf("variables.md says that %s is %q by default; it is %q", v.Name, is, v.Default)
		}
		delete(said, v.Name)
	}
	for name := range said {
		t.Errorf("variables.md has a row for %s, which there is not", name)
	}
}

var goFile = regexp.MustCompile("`([a-z0-9_/]+\\.(?:go|sql))`")

// TestFiles looks for the files that the pages name, in the folder they say, or in any.
func TestFiles(t *testing.T) {
	have := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel("..", path)
			have[rel], have[filepath.Base(path)] = true, true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages(t), others...) {
		for _, m := range goFile.FindAllStringSubmatch(readPage(t, page), -1) {
			if !have[m[1]] {
				t.Errorf("%s: there is no %s", page, m[1])
			}
		}
	}
}
