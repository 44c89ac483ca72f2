package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"dxfproxy/protocol"
	"dxfproxy/sqltext"
)

// mtrLeftOut are tests of the main suite that are not run, in the form that
// mariadb-test reads: a name, a colon, and the reason.
//
//go:embed mtr_left_out.txt
var mtrLeftOut string

// mtrReasons are tests that differ, and why they may. The others are those that
// differ in one mode only.
//
//go:embed mtr_reasons.txt
var mtrReasons string

//go:embed mtr_ps_reasons.txt
var mtrPSReasons string

//go:embed mtr_cursor_reasons.txt
var mtrCursorReasons string

//go:embed mtr_nonblocking_reasons.txt
var mtrNonblockingReasons string

// An mtrMode is a way in which the runner sends the statements of its tests.
type mtrMode struct {
	name, option string
	reasons      string
}

// The first is the usual one, in which the whole suite runs.
var mtrModes = []mtrMode{
	{name: "mtr"},
	{"mtr-ps", "--ps-protocol", mtrPSReasons},
	{"mtr-cursor", "--cursor-protocol", mtrCursorReasons},
	{"mtr-nonblocking", "--non-blocking-api", mtrNonblockingReasons},
}

const (
	mtrDir = "/usr/share/mysql/mysql-test"
	// MTR_BUILD_THREAD gives the runner 30 ports from 10000 + 30 × that on; the
	// first server it starts takes the first.
	mtrThread = 300
)

func mtrPort(thread int) int { return 10000 + 30*thread }

// mtr runs the main suite of mariadb-test. The runner starts and ends servers as
// its tests ask for, so the relay is in this process and without jobs: a node
// would keep tables in them. Statements that a node would look at are looked at
// and passed on. What does not pass through the relay runs again without it.
// nth is a number of the mode's own.
func (r *run) mtr(ctx context.Context, mode mtrMode, nth int) (verdict, error) {
	tests := strings.Fields(r.mtrTests)
	if len(tests) == 0 && mode.option != "" {
		var err error
		if tests, err = plainTests(); err != nil {
			return verdict{}, err
		}
	}
	thread := mtrThread + nth
	proxied, err := r.mtrOnce(ctx, mode, thread, true, tests)
	if err != nil {
		return verdict{}, err
	}
	var again []string
	direct := outcomes{}
	for name, how := range proxied {
		switch how {
		case passed:
			direct[name] = passed // what passes need not be run again
		case "skipped":
			direct[name] = how
		default:
			test, _, _ := strings.Cut(name, " ")
			again = append(again, test)
		}
	}
	if len(again) > 0 {
		other, err := r.mtrOnce(ctx, mode, thread, false, again)
		if err != nil {
			return verdict{}, err
		}
		for name, how := range other {
			if proxied[name] != passed {
				direct[name] = how
			}
		}
	}
	return compare(direct, proxied, reasons(mtrReasons+mode.reasons)), nil
}

// plainTests are the tests of the main suite that take the runner's server as it
// is, without options of their own, and start neither another server nor another
// program.
func plainTests() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(mtrDir, "main", "*.test"))
	if err != nil {
		return nil, err
	}
	var tests []string
	for _, file := range files {
		base := strings.TrimSuffix(file, ".test")
		extras, err := filepath.Glob(base + "[.\\-]*")
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(extras, func(name string) bool { return mtrOptions.MatchString(name[len(base):]) }) && !mtrPrograms.Match(text) {
			tests = append(tests, filepath.Base(base))
		}
	}
	return tests, nil
}

var (
	mtrOptions  = regexp.MustCompile(`^(-master|-slave)?\.(opt|cnf|sh|combinations)$`)
	mtrPrograms = regexp.MustCompile(`(?mi)^\s*(--\s*)?(exec|system|perl|shutdown_server)\b|restart_mysqld|master-slave|have_debug|big_test`)
)

func (r *run) mtrOnce(ctx context.Context, mode mtrMode, thread int, proxied bool, tests []string) (outcomes, error) {
	dir, err := os.MkdirTemp(r.dir, "")
	if err != nil {
		return nil, err
	}
	vardir := filepath.Join(dir, "var")
	bin := filepath.Join(dir, "bin")
	for _, d := range []string{vardir, bin} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return nil, err
		}
	}
	leftOut := filepath.Join(dir, "left_out")
	if err := errors.Join(os.WriteFile(leftOut, []byte(mtrLeftOut), 0o644), wrapPrograms(bin)); err != nil {
		return nil, err
	}
	as, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"--vardir=" + vardir, "--client-bindir=" + bin, "--suite=main", "--force", "--max-test-fail=0", "--retry=1",
		"--testcase-timeout=5", "--skip-test-list=" + leftOut,
	}, strings.Fields(mode.option+" "+r.mtrArgs)...)
	cmd := exec.CommandContext(ctx, filepath.Join(mtrDir, "mysql-test-run.pl"), append(args, tests...)...)
	cmd.Dir = mtrDir
	cmd.Env = append(os.Environ(), "MTR_BUILD_THREAD="+strconv.Itoa(thread), "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }

	var out []byte
	runTests := func() error {
		var err error
		out, err = cmd.CombinedOutput()
		r.log(mode.name+map[bool]string{true: "-proxied", false: "-direct"}[proxied]+".log", out)
		var failed *exec.ExitError
		if errors.As(err, &failed) && ctx.Err() == nil {
			return nil // tests failed, which is what we are here to see
		}
		return err
	}
	if !proxied {
		err = runTests()
	} else {
		err = r.withRelay(ctx, mode, dir, mtrPort(thread), func(socket, port string) error {
			cmd.Env = append(cmd.Env, "PX_SOCK="+socket, "PX_PORT="+port)
			return runTests()
		})
	}
	if err != nil {
		return nil, err
	}
	ended := mtrTests(out)
	if len(ended) == 0 {
		return nil, fmt.Errorf("no test ran\n%s", out)
	}
	return ended, nil
}

// wrapPrograms fills a directory with the clients. The one that runs the tests is
// sent to the relay, unless the runner has it look at another server than the
// first; it tells tests that ask for the server's port the relay's.
func wrapPrograms(bin string) error {
	const wrapper = `#!/bin/sh
case " $*" in
*" --defaults-group-suffix=."[2-9]*) PX_SOCK= ;;
esac
if [ -n "$PX_SOCK" ]; then
	export MASTER_MYPORT=$PX_PORT MASTER_MYSOCK=$PX_SOCK
	exec /usr/bin/mariadb-test "$@" --socket="$PX_SOCK" --port="$PX_PORT"
fi
exec /usr/bin/mariadb-test "$@"
`
	var programs []string
	for _, pattern := range []string{"mysql*", "mariadb*", "my*", "aria*", "innochecksum", "perror", "replace", "resolve*"} {
		found, err := filepath.Glob("/usr/bin/" + pattern)
		if err != nil {
			return err
		}
		programs = append(programs, found...)
	}
	for _, program := range programs {
		name := filepath.Base(program)
		var err error
		if name == "mysqltest" || name == "mariadb-test" {
			err = os.WriteFile(filepath.Join(bin, name), []byte(wrapper), 0o755)
		} else {
			err = os.Symlink(program, filepath.Join(bin, name))
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

// unprivileged is an account that is not root, and gives it dir: many tests are
// about files that their user must not read.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("mysql")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	for _, d := range []string{dir, filepath.Join(dir, "var")} {
		if err := os.Chown(d, uid, gid); err != nil {
			return nil, err
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{}}, os.Chmod(dir, 0o755)
}

// withRelay relays a socket in dir and a port to those of the first server of a
// runner whose files are in dir and whose ports begin with the given one.
func (r *run) withRelay(ctx context.Context, mode mtrMode, dir string, firstPort int, do func(socket, port string) error) error {
	socket := filepath.Join(dir, "relay.sock")
	unix, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	if err := os.Chmod(socket, 0o777); err != nil {
		return err
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	clients, store, err := mtrTLS()
	if err != nil {
		return err
	}
	relay := func(network, addr string) *protocol.Server {
		return &protocol.Server{Handler: lookOnly{}, TLS: clients, StoreTLSConfig: store, Dial: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		}}
	}
	onSocket := relay("unix", filepath.Join(dir, "var", "tmp", "mysqld.1.sock"))
	onPort := relay("tcp", "127.0.0.1:"+strconv.Itoa(firstPort))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return onSocket.Serve(ctx, unix) })
	g.Go(func() error { return onPort.Serve(ctx, tcp) })
	err = do(socket, port(tcp.Addr().String()))
	stop()
	if err = errors.Join(err, g.Wait()); err != nil {
		return err
	}
	a, b := onSocket.Stats(), onPort.Stats()
	if a.Commands == 0 {
		return errors.New("nothing went through the relay")
	}
	fmt.Printf("%s: the relay saw %d sessions and %d commands, of which it looked at %d\n", mode.name,
		a.Accepted+b.Accepted, a.Commands+b.Commands, a.Intercepted+b.Intercepted)
	return nil
}

// mtrTLS is TLS on both legs with the certificates of the runner's servers.
func mtrTLS() (clients, store *tls.Config, err error) {
	file := func(name string) string { return filepath.Join(mtrDir, "std_data", name) }
	cert, err := tls.LoadX509KeyPair(file("server-cert.pem"), file("server-key.pem"))
	if err != nil {
		return nil, nil, err
	}
	ca, err := os.ReadFile(file("cacert.pem"))
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, nil, fmt.Errorf("no certificate in %s", file("cacert.pem"))
	}
	clients = &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}
	return clients, &tls.Config{InsecureSkipVerify: true}, nil //nolint:gosec // a server on this machine, of the run's own
}

// lookOnly takes the statements that a node would take, and passes them on.
type lookOnly struct{}

func (lookOnly) Match(sql []byte, _ protocol.StatusFlags) bool { return sqltext.Match(sql) }
func (lookOnly) Handle(context.Context, *protocol.Conn, protocol.Statement) protocol.Reply {
	return protocol.Forward{}
}

var mtrLine = regexp.MustCompile(`(?m)^(\S+\.\S+(?: '[^']*')?)\s+(?:w\d+ )?\[ ([a-z-]+) \]`)

// mtrTests reads what the runner prints. A test that failed and passed when it
// was tried again has passed.
func mtrTests(out []byte) outcomes {
	ended := outcomes{}
	for _, m := range mtrLine.FindAllSubmatch(out, -1) {
		name, how := string(m[1]), string(bytes.TrimPrefix(m[2], []byte("retry-")))
		if how == "disabled" {
			how = "skipped"
		}
		ended[name] = how
	}
	return ended
}
