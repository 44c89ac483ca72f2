package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/rogpeppe/go-internal/testscript"

	"dxfproxy/mariadbd"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"dxfproxy": main})
}

// TestScripts runs testdata/*.txtar. Beside testscript's own commands they have:
//
//	port NAME                   puts a free address into $NAME
//	store [option=value …]      starts a MariaDB server; $STORE is its DSN, without a database
//	stop-store                  kills it
//	serve NAME [flag …]         starts a node in the background (in $NAME.log) and waits until it says it is ready
//	end NAME TERM|KILL          sends it the signal and waits until it is gone; it must be a clean exit after TERM
//	exits N command …           runs a command that must exit with status N
//	signal NAME TERM|HUP        only sends it
//	sql ADDR statement          prints the rows, or the error, the statement gets through a node; ADDR may be a DSN
//	session NAME ADDR           logs in and stays
//	on NAME statement           prints the same for a statement of that session
//	verified FILE ADDR [NAME]   logs in to a node whose certificate the authority in FILE has signed, with the certificate NAME
//	refused ADDR                waits until nobody listens
//	apply stdout DSN            runs the statements that the last command printed, indented and with a semicolon
//	arguments NAME              prints the arguments of a node's process as the system shows them
//	write FILE word …           writes a file
//	run DSN stdout              runs the script that the last command printed
//	cert NAME                   writes NAME.pem and NAME.key, a certificate for this machine that is its own authority
//	log NAME regexp             waits until the node's log has it
//	no-server DIR               waits until no server program runs in the directory
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"port": scriptPort, "store": scriptStore, "stop-store": scriptStopStore, "serve": scriptServe, "end": scriptEnd,
			"exits": scriptExits, "sql": scriptSQL, "log": scriptLog, "no-server": scriptNoServer,
			"signal": scriptSignal, "session": scriptSession, "on": scriptOn, "cert": scriptCert,
			"arguments": scriptArguments, "write": scriptWrite, "run": scriptRun, "apply": scriptApply, "verified": scriptVerified, "refused": scriptRefused,
		},
		Setup: func(env *testscript.Env) error {
			env.Values[startedKey{}] = &started{nodes: map[string]*scriptNode{}, sessions: map[string]*sql.Conn{}, roots: map[string]string{}}
			// What is started by root runs as mysql, which must get in, and remove its socket.
			return errors.Join(os.Chmod(filepath.Dir(env.WorkDir), 0o755), os.Chmod(env.WorkDir, 0o777))
		},
	})
}

// patience is how long a script waits for what must happen.
const patience = time.Minute

// poll calls ok until it is true; false when patience is at its end.
func poll(ok func() bool) bool {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			return false
		}
		<-tick.C
	}
	return true
}

func scriptPort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

func scriptStore(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	srv, err := mariadbd.Start(ctx, mariadbd.Config{
		DataDir: ts.MkAbs("store"), BaseDir: os.Getenv("DXFPROXY_TEST_BASEDIR"), BufferPool: 32 << 20, RedoLog: 16 << 20, Relaxed: true, Options: args,
	})
	ts.Check(err)
	ts.Defer(srv.Kill)
	ts.Setenv("STORE", srv.DSN())
	cfg, err := mysql.ParseDSN(srv.DSN())
	ts.Check(err)
	ts.Setenv("STORE_ADDR", cfg.Addr)
	ts.Setenv("STORE_VERSION", srv.Version())
	startedBy(ts).store = srv
}

func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	status := "0"
	if err != nil {
		status = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if status != args[0] {
		ts.Fatalf("exit status %s, want %s", status, args[0])
	}
}

func openNode(ts *testscript.TestScript, addr string) *sql.DB {
	if !strings.Contains(addr, "@") {
		addr = "root@tcp(" + addr + ")/"
	}
	cfg, err := mysql.ParseDSN(addr)
	ts.Check(err)
	if cfg.User == "root" && cfg.Passwd == "" {
		cfg.Passwd = startedBy(ts).roots[cfg.Addr]
	}
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	ts.Check(err)
	return sql.OpenDB(connector)
}

func scriptSQL(ts *testscript.TestScript, neg bool, args []string) {
	db := openNode(ts, args[0])
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		fmt.Fprintln(ts.Stdout(), err)
		if !neg {
			ts.Fatalf("connect to %s: %v", args[0], err)
		}
		return
	}
	defer conn.Close()
	runStatements(ctx, ts, neg, conn, args[1:])
}

func printRows(ctx context.Context, conn *sql.Conn, statement string) (string, error) {
	rows, err := conn.QueryContext(ctx, statement)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for rows.Next() {
		vals := make([]sql.NullString, len(cols))
		to := make([]any, len(cols))
		for i := range vals {
			to[i] = &vals[i]
		}
		if err := rows.Scan(to...); err != nil {
			return "", err
		}
		for i, v := range vals {
			if i > 0 {
				b.WriteString(" | ")
			}
			b.WriteString(v.String)
		}
		b.WriteString("\n")
	}
	return b.String(), rows.Err()
}

func scriptLog(ts *testscript.TestScript, neg bool, args []string) {
	re := regexp.MustCompile(args[1])
	read := func() string {
		b, err := os.ReadFile(ts.MkAbs(args[0] + ".log"))
		ts.Check(err)
		return string(b)
	}
	if neg {
		if re.MatchString(read()) {
			ts.Fatalf("the log of %s has %s:\n%s", args[0], args[1], read())
		}
		return
	}
	if !poll(func() bool { return re.MatchString(read()) }) {
		ts.Fatalf("the log of %s never had %s:\n%s", args[0], args[1], read())
	}
}

// scriptNoServer looks for programs that were started with the directory.
func scriptNoServer(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	var found string
	if !poll(func() bool {
		found = ""
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range files {
			line, _ := os.ReadFile(f)
			if words := strings.ReplaceAll(string(line), "\x00", " "); strings.Contains(words, "mariadbd") && strings.Contains(words, dir) {
				found = words
			}
		}
		return found == ""
	}) {
		ts.Fatalf("still runs: %s", found)
	}
}
