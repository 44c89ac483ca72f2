package mariadbd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// searchDirs are looked through after PATH, which rarely names the sbin
// directories for users other than root.
var searchDirs = []string{"/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"}

// Kind is whose server a program is. The embedded store is always MariaDB; the
// others are for tests.
type Kind int

// The servers we can run.
const (
	MariaDB Kind = iota
	MySQL
	TiDB
)

func (k Kind) String() string { return [...]string{"MariaDB", "MySQL", "TiDB"}[k] }

// program is an installed server.
type program struct {
	kind    Kind
	server  string  // mariadbd, mysqld or tidb-server
	install string  // mariadb-install-db; the others have none
	baseDir string  // Config.BaseDir, absolute; empty: the system's
	version version // of the server
}

// version is that of a server, as in "10.11.19-MariaDB".
type version struct {
	major, minor, patch int
}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

// newerSeries says whether v belongs to a later series (10.11, 11.4, ...) than w.
// Data moves freely between servers of one series.
func (v version) newerSeries(w version) bool {
	return v.major > w.major || v.major == w.major && v.minor > w.minor
}

// versionTexts are what the servers print, each unlike the others'.
var versionTexts = [...]*regexp.Regexp{
	MariaDB: regexp.MustCompile(`(\d+)\.(\d+)\.(\d+)-MariaDB`),
	MySQL:   regexp.MustCompile(`Ver (\d+)\.(\d+)\.(\d+)\S* for`),
	TiDB:    regexp.MustCompile(`Release Version: v(\d+)\.(\d+)\.(\d+)`),
}

func parseVersion(k Kind, text string) (version, bool) {
	m := versionTexts[k].FindStringSubmatch(text)
	if m == nil {
		return version{}, false
	}
	var v version
	v.major, _ = strconv.Atoi(m[1])
	v.minor, _ = strconv.Atoi(m[2])
	v.patch, _ = strconv.Atoi(m[3])
	return v, true
}

// findProgram finds an installed server: MariaDB's on PATH, or any in baseDir.
// On PATH a mysqld that is not MariaDB's is passed over: the embedded store of
// one start must be readable by the next.
func findProgram(ctx context.Context, baseDir string) (program, error) {
	if baseDir != "" {
		return programIn(ctx, baseDir)
	}
	dirs := append(filepath.SplitList(os.Getenv("PATH")), searchDirs...)
	var passed []string
	for _, path := range candidates(dirs, "mariadbd", "mysqld") {
		text, err := exec.CommandContext(ctx, path, "--no-defaults", "--version").Output()
		if ctx.Err() != nil {
			return program{}, ctx.Err()
		}
		v, ok := parseVersion(MariaDB, string(text))
		if err != nil || !ok {
			passed = append(passed, path)
			continue
		}
		installers := candidates(dirs, "mariadb-install-db", "mysql_install_db")
		if len(installers) == 0 {
			return program{}, fmt.Errorf("find mariadb-install-db for %s: %w", path, ErrNoServer)
		}
		return program{server: path, install: installers[0], version: v}, nil
	}
	if len(passed) > 0 {
		return program{}, fmt.Errorf("find mariadbd (%s is not MariaDB): %w", strings.Join(passed, ", "), ErrNoServer)
	}
	return program{}, fmt.Errorf("find mariadbd: %w", ErrNoServer)
}

// programIn is the server of an installation of its own.
func programIn(ctx context.Context, baseDir string) (program, error) {
	baseDir, err := filepath.Abs(baseDir)
	if err != nil {
		return program{}, err
	}
	p := program{baseDir: baseDir}
	dirs := []string{filepath.Join(baseDir, "sbin"), filepath.Join(baseDir, "bin")}
	found := candidates(dirs, "mariadbd", "mysqld", "tidb-server")
	if len(found) == 0 {
		return p, fmt.Errorf("find a server in %s: %w", baseDir, ErrNoServer)
	}
	p.server = found[0]
	if installers := candidates(dirs, "mariadb-install-db"); len(installers) > 0 {
		p.install = installers[0]
	}
	ask := []string{"--no-defaults", "--version"}
	if filepath.Base(p.server) == "tidb-server" {
		ask = []string{"-V"}
	}
	text, err := exec.CommandContext(ctx, p.server, ask...).Output()
	if err != nil {
		return p, fmt.Errorf("ask %s for its version: %w", p.server, err)
	}
	for k := range versionTexts {
		if v, ok := parseVersion(Kind(k), string(text)); ok {
			p.kind, p.version = Kind(k), v
			return p, nil
		}
	}
	return p, fmt.Errorf("%s is no server we know: %w", p.server, ErrNoServer)
}

// candidates lists the executables of these names, the first name first.
func candidates(dirs []string, names ...string) []string {
	var found []string
	for _, name := range names {
		for _, dir := range dirs {
			path, err := filepath.Abs(filepath.Join(dir, name))
			if err != nil {
				continue
			}
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				found = append(found, path)
			}
		}
	}
	return found
}
