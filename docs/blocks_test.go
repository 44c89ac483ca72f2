package docs_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/mariadbd"
)

var srv *mariadbd.Server

// The server is not yet what check asks for: README.md shows what it says then.
func TestMain(m *testing.M) { clustertest.Main(m, &srv, "binlog_row_image=MINIMAL") }

// notRun is how many blocks say that they cannot be run, each with its reason: make demo
// and make test, and the installation of packages.
const notRun = 2

// TestBlocks runs every block of shell and SQL of README.md and the pages, in order, as
// a reader would who begins with README.md and goes on with the pages. The comment above
// a block may say what is peculiar:
//
//	<!-- not run: why -->          a reader can run it, this test cannot
//	<!-- exits: 1 -->              the last command of it that fails has this status
//	<!-- job: the newest -->       the number of a job in it stands for the newest one
//
// Numbers, lengths of lines and what … stands for may differ from the output that is
// shown; an error that is not shown must not come.
func TestBlocks(t *testing.T) {
	w := newWorld(t)
	skipped := 0
	for _, page := range pages(t) {
		begun := time.Now()
		for _, b := range blocksOf(t, page) {
			if b.mark == "not run" {
				skipped++
				continue
			}
			w.check(t, b)
		}
		t.Logf("%s: %s", page, time.Since(begun).Round(time.Millisecond))
	}
	if skipped != notRun {
		t.Errorf("%d blocks are not run, want %d", skipped, notRun)
	}
}

// check runs a block and compares.
func (w *world) check(t *testing.T, b block) {
	t.Helper()
	var got string
	if b.lang == "sh" {
		wanted := "0"
		if b.mark == "exits" {
			wanted = b.arg
		}
		var status string
		if got, status = w.run(t, b.text); status != wanted {
			t.Errorf("%s: exit status %s, want %s:\n%s", b, status, wanted, got)
		}
	} else {
		text := b.text
		if b.mark == "job" {
			text = w.newestJob(t, text)
		}
		got = w.query(t, text)
		for _, line := range clientError.FindAllString(got, -1) {
			if !strings.Contains(b.want, "ERROR") {
				t.Errorf("%s: %s", b, line)
			}
		}
	}
	if want := w.here(t, b.want); want != "" && !pattern(want).MatchString(got) {
		t.Errorf("%s: shown is\n%s\nbut what comes is\n%s", b, want, got)
	}
}

var (
	jobNumber = regexp.MustCompile(`\b(DDL JOBS|JOB QUERIES|IMPORT JOB) \d+`)
	aNumber   = regexp.MustCompile(`\| +(\d+) \|`)
)

// newestJob puts the number of the newest unfinished job in the place of that in text.
func (w *world) newestJob(t *testing.T, text string) string {
	t.Helper()
	asks := "SELECT MAX(job_id) FROM information_schema.ddl_jobs WHERE state = 'running';\n"
	if strings.Contains(text, "IMPORT JOB") {
		asks = "SELECT MAX(id) FROM mysql.tidb_import_jobs WHERE status IN ('pending', 'running');\n"
	}
	var number []string
	poll(t, func() bool {
		number = aNumber.FindStringSubmatch(w.query(t, asks))
		return number != nil
	}, func() string { return "no job runs for\n" + text })
	return jobNumber.ReplaceAllString(text, "$1 "+number[1])
}
