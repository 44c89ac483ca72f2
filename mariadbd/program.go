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

// program is an installed server.
type program struct {
	server  string  // mariadbd
	install string  // mariadb-install-db
	version version // of the server
}

// version is that of a MariaDB server, as in "10.11.19-MariaDB".
type version struct {
	major, minor, patch int
}

func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v.major, v.minor, v.patch) }

// newerSeries says whether v belongs to a later series (10.11, 11.4, ...) than w.
// Data moves freely between servers of one series.
func (v version) newerSeries(w version) bool {
	return v.major > w.major || v.major == w.major && v.minor > w.minor
}

var versionText = regexp.MustCompile(`(\d+)\.(\d+)\.(\d+)-MariaDB`)

func parseVersion(text string) (version, bool) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return version{}, false
	}
	var v version
	v.major, _ = strconv.Atoi(m[1])
	v.minor, _ = strconv.Atoi(m[2])
	v.patch, _ = strconv.Atoi(m[3])
	return v, true
}

// findProgram finds an installed MariaDB server. A mysqld that is not MariaDB's
// is passed over: its data directories are made in another way.
func findProgram(ctx context.Context) (program, error) {
	var passed []string
	for _, path := range candidates("mariadbd", "mysqld") {
		text, err := exec.CommandContext(ctx, path, "--no-defaults", "--version").Output()
		if ctx.Err() != nil {
			return program{}, ctx.Err()
		}
		v, ok := parseVersion(string(text))
		if err != nil || !ok {
			passed = append(passed, path)
			continue
		}
		installers := candidates("mariadb-install-db", "mysql_install_db")
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

// candidates lists the executables of these names, the first name first.
func candidates(names ...string) []string {
	var found []string
	dirs := append(filepath.SplitList(os.Getenv("PATH")), searchDirs...)
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
