package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// clientPrograms use one or two client libraries each. They are called with
// host, port, user, password and an empty schema, and print a line for each of
// their tests: its name, a colon, and "pass" or what went wrong.
//
//go:embed clients
var clientPrograms embed.FS

// clientReasons are tests of theirs that differ, and why they may.
//
//go:embed clients_reasons.txt
var clientReasons string

// connectorJ is where Debian's libmariadb-java puts MariaDB Connector/J.
const connectorJ = "/usr/share/java/mariadb-java-client.jar"

// clientLimit is ten times what a program takes.
const clientLimit = 5 * time.Minute

// clients runs the programs.
func (r *run) clients(ctx context.Context) (verdict, error) {
	dir := filepath.Join(r.dir, "programs")
	if err := os.CopyFS(dir, clientPrograms); err != nil {
		return verdict{}, err
	}
	dir = filepath.Join(dir, "clients")
	ways := []outcomes{{}, {}}
	err := r.withNode(ctx, func(store, node string) error {
		if err := statements(ctx, store, "CREATE USER app@'%' IDENTIFIED BY 'secret'", "GRANT ALL ON *.* TO app@'%'"); err != nil {
			return err
		}
		for i, addr := range []string{store, node} {
			for _, command := range [][]string{
				{"/usr/bin/python3", "python.py"}, {"perl", "dbd.pl"}, {"php", "-d", "mysqli.allow_local_infile=1", "mysqli.php"}, {"node", "node.js"},
				{"java", "-cp", connectorJ, "Jdbc.java"},
			} {
				ended, err := r.client(ctx, store, addr, dir, command, i)
				if err != nil {
					return err
				}
				for name, how := range ended {
					ways[i][name] = how
				}
			}
		}
		return nil
	})
	if err != nil {
		return verdict{}, err
	}
	return compare(ways[0], ways[1], reasons(clientReasons)), nil
}

// client runs one program in a schema of its own.
func (r *run) client(ctx context.Context, store, addr, dir string, command []string, way int) (outcomes, error) {
	file := command[len(command)-1]
	schema := "client_" + strings.ReplaceAll(strings.ToLower(file), ".", "_")
	if err := statements(ctx, store, "CREATE OR REPLACE DATABASE "+schema); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, clientLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], append(command[1:], "127.0.0.1", port(addr), "app", "secret", schema)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(cacheDir(), "npm", "node_modules"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	runErr := cmd.Run()
	r.log(fmt.Sprintf("%s-%d.log", file, way+1), append(out.Bytes(), errs.Bytes()...))
	ended := outcomes{}
	for line := range strings.Lines(out.String()) {
		if name, how, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			ended[name] = how
		}
	}
	if runErr != nil || len(ended) == 0 {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), runErr, errs.String())
	}
	return ended, nil
}

// cacheDir is where scripts/setup puts the packages from npm.
func cacheDir() string {
	if dir := os.Getenv("DXFPROXY_CACHE"); dir != "" {
		return dir
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "dxfproxy")
}
