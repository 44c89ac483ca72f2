package docs_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/source/sourcetest"
)

// patience is how long a block may take.
const patience = time.Minute

// A world is what a reader of the pages has: a folder with the program, a shell, a client
// of the database, a server of his own, and files.
type world struct {
	dir    string
	shell  *talk
	client *talk  // nil before the first mariadb of a page is started
	log    string // the file to which everything in the background writes
	nodes  int    // how many were started
	ports  map[string]string
	names  *strings.Replacer // what the pages call things, and what they are here
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: clustertest.TempDir(t), ports: map[string]string{}}
	w.log = filepath.Join(w.dir, "background.log")
	// What is started by root runs as mysql, which must get in.
	for _, dir := range []string{filepath.Dir(w.dir), w.dir} {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	store, err := mysql.ParseDSN(srv.DSN())
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(store.Addr)
	objects := sourcetest.NewS3(t)
	objects.Put(t, "orders/one.csv", []byte("id,note\n1,one\n2,two\n"))
	w.names = strings.NewReplacer(
		"mariadb -hdb -uroot -p", "mariadb -h"+host+" -P"+port+" -uroot",
		"db:3306", store.Addr,
		"http://minio:9000", objects.Endpoint(), "minio:9000", strings.TrimPrefix(objects.Endpoint(), "http://"),
		"MYKEY", "AKIATEST", "MYSECRET", url.QueryEscape(sourcetest.Secret),
		"/data", filepath.Join(w.dir, "data"),
		"seq_1_to_1000000;", "seq_1_to_20000;", // a million rows take half a minute
		"bin/dxfproxy serve 2>", "bin/dxfproxy serve --listen 127.0.0.1:4000 2>",
		"bin/dxfproxy serve --import-dir", "bin/dxfproxy serve --listen 127.0.0.1:4000 --import-dir",
		// The same go build, elsewhere.
		"make build", "mkdir bin && cp '"+clustertest.Binary+"' bin/dxfproxy",
	)
	w.shell = start(t, w.dir, "bash", "--noprofile", "--norc")
	t.Cleanup(func() { w.shell.end(t, "exit\n") })
	// It ends with its input, and what it has started with it, however this test ends.
	w.ask(t, "set -o pipefail; trap 'failed=$?' ERR; trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n")
	return w
}

var address = regexp.MustCompile(`\b(?:10\.0\.0\.\d|127\.0\.0\.1):40\d\d\b`)

// here is a block with the names and ports of this world.
func (w *world) here(t *testing.T, text string) string {
	t.Helper()
	return address.ReplaceAllStringFunc(w.names.Replace(text), func(addr string) string {
		if w.ports[addr] == "" {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			w.ports[addr] = l.Addr().String()
			_ = l.Close()
		}
		return w.ports[addr]
	})
}

var (
	background = regexp.MustCompile(`(?m) &$`)
	serves     = regexp.MustCompile(`(?m)^bin/dxfproxy serve.* &$`)
	typed      = regexp.MustCompile(`(?m)^mariadb --defaults-extra-file=\S+$`)
)

// run runs a block of shell, and returns what it printed and its exit status: that of the
// last command that failed, or 0. A line that starts a client of the database, and
// nothing else, starts the one that blocks of SQL are typed into.
func (w *world) run(t *testing.T, text string) (string, string) {
	t.Helper()
	text = w.here(t, text)
	client := typed.FindString(text)
	text = typed.ReplaceAllString(text, "")
	w.nodes += len(serves.FindAllString(text, -1))
	text = background.ReplaceAllString(text, " >>'"+w.log+"' 2>&1 &")
	out := w.ask(t, "failed=0\n"+text+"\necho \"status $failed\"\n")
	out, status, _ := cutLast(out, "status ")
	w.ready(t)
	if client != "" {
		if w.client != nil {
			w.client.end(t, "\\q\n")
		}
		w.client = start(t, w.dir, "bash", "-c", "exec "+client+" --table --unbuffered --force --no-auto-rehash 2>&1")
		client := w.client
		t.Cleanup(func() { client.end(t, "\\q\n") })
	}
	return out, strings.TrimSpace(status)
}

func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(sep):], true
}

// ready waits until every node that was started has said that it is ready.
func (w *world) ready(t *testing.T) {
	t.Helper()
	var log []byte
	poll(t, func() bool {
		log, _ = os.ReadFile(w.log)
		return strings.Count(string(log), " is ready") >= w.nodes
	}, func() string { return fmt.Sprintf("not all of %d nodes are ready:\n%s", w.nodes, log) })
}

// poll looks until something is so, and fails with what failed says when patience is over. It
// looks on the test's own goroutine, which alone may end the test.
func poll(t *testing.T, so func() bool, failed func() string) {
	t.Helper()
	looks := time.NewTicker(20 * time.Millisecond)
	defer looks.Stop()
	for over := time.After(patience); !so(); {
		select {
		case <-looks.C:
		case <-over:
			t.Fatal(failed())
		}
	}
}

// ask has the shell run something, and returns what came.
func (w *world) ask(t *testing.T, text string) string {
	t.Helper()
	return w.shell.say(t, text, "echo %s\n")
}

var (
	shownOnError = regexp.MustCompile(`(?m)^-{14}\n(?s:.*?)\n-{14}\n\n`)
	lineNumber   = regexp.MustCompile(`(?m)^(ERROR \d+ \(\w+\)) at line \d+:`)
	clientError  = regexp.MustCompile(`(?m)^ERROR .*`)
)

// query types a block of SQL into the client, and returns what a terminal would show
// of it: rows, and errors.
func (w *world) query(t *testing.T, text string) string {
	t.Helper()
	if w.client == nil {
		t.Fatal("SQL before a client was started")
	}
	out := w.client.say(t, w.here(t, text), "\\! echo %s\n")
	return lineNumber.ReplaceAllString(shownOnError.ReplaceAllString(out, ""), "$1:")
}

// A talk is a program that reads what it is told and goes on.
type talk struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	said  int
}

func start(t *testing.T, dir, name string, args ...string) *talk {
	t.Helper()
	p := &talk{cmd: exec.Command(name, args...), lines: make(chan string, 1000)}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "HOME="+dir) // no ~/.my.cnf of somebody's
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.cmd.Stderr = in, p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			p.lines <- line
		}
	}()
	return p
}

// say sends a text and something that makes the program print a mark behind it, and
// returns what came before the mark.
func (p *talk) say(t *testing.T, text, echo string) string {
	t.Helper()
	p.said++
	mark := fmt.Sprintf("--mark-%d--", p.said)
	if _, err := io.WriteString(p.in, text+fmt.Sprintf(echo, mark)); err != nil {
		t.Fatalf("%s: %v", p.cmd.Path, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	if t.Context().Err() != nil { // cleanup
		ctx, cancel = context.WithTimeout(context.Background(), patience)
	}
	defer cancel()
	var got strings.Builder
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("%s has ended:\n%s", p.cmd.Path, got.String())
			}
			if before, _, found := strings.Cut(line, mark); found {
				return got.String() + before
			}
			got.WriteString(line)
		case <-ctx.Done():
			t.Fatalf("no answer within %s to\n%s\nbut\n%s", patience, text, got.String())
		}
	}
}

// end tells the program to end, and ends it and what it started if it does not.
func (p *talk) end(t *testing.T, farewell string) {
	t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	_, _ = io.WriteString(p.in, farewell)
	_ = p.in.Close()
	stop := time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) })
	defer stop.Stop()
	for range p.lines {
	}
	_ = p.cmd.Wait()
}
