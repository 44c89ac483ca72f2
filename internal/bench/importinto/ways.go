package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"dxfproxy/internal/cluster"
)

// The table: sysbench's, with two more indexes.
const createTable = `CREATE TABLE bench.sbtest (
  id INT NOT NULL AUTO_INCREMENT,
  k INT NOT NULL DEFAULT 0,
  c CHAR(120) NOT NULL DEFAULT '',
  pad CHAR(60) NOT NULL DEFAULT '',
  PRIMARY KEY (id),
  KEY by_k (k),
  KEY by_c (c(32)),
  KEY by_pad (pad, k)
) ENGINE=InnoDB`

// way is one way to get the rows into the table.
type way struct {
	name  string
	nodes []*cluster.Node // that take part
	own   bool            // makes the table by itself
	load  func(ctx context.Context) (client time.Duration, err error)

	took, store, client []time.Duration // wall clock; processor time
	memory              int             // of the largest node, MiB
}

// Those that the others are compared with.
const (
	loadDataName = "LOAD DATA, unique_checks=0"
	myloaderName = "myloader -t 4"
)

func (b *contest) ways(ctx context.Context) ([]*way, error) {
	const csv = "split_file, lines_terminated_by = '\\n'"
	all := []*way{
		b.importInto("IMPORT INTO, 1 node", b.one, b.csvFile(), "csv", csv),
		b.importInto("IMPORT INTO, 3 nodes", b.three, b.csvFile(), "csv", csv),
		{name: loadDataName, load: b.loadData},
		{name: myloaderName, own: true, load: b.myloader("--enable-binlog")},
		{name: "myloader -t 4, no binlog", own: true, load: b.myloader()},
		b.importInto("S3, gzip CSV, 3 nodes", b.three, b.packed, "csv", "lines_terminated_by = '\\n'"),
		b.importInto("Parquet, 3 nodes", b.three, filepath.Join(b.parquetDir(), "*.parquet"), "parquet", ""),
	}
	only, err := regexp.Compile(b.only)
	if err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	var ways []*way
	for _, w := range all {
		switch {
		case !only.MatchString(w.name):
		case w.own && !b.dumped():
			fmt.Println("no dump by mydumper: left out:", w.name)
		default:
			ways = append(ways, w)
		}
	}
	if len(ways) == 0 {
		return nil, fmt.Errorf("no way is called %q", b.only)
	}
	return ways, nil
}

// importInto runs the statement as a client of the cluster's first node.
func (b *contest) importInto(name string, c *cluster.Cluster, location, format, options string) *way {
	if b.with != "" {
		options = strings.TrimPrefix(options+", "+b.with, ", ")
	}
	if options != "" {
		options = " WITH " + options
	}
	statement := fmt.Sprintf("IMPORT INTO bench.sbtest FROM '%s' FORMAT '%s'%s", location, format, options)
	return &way{name: name, nodes: c.Nodes, load: func(ctx context.Context) (time.Duration, error) {
		db, err := c.Nodes[0].Open()
		if err != nil {
			return 0, err
		}
		defer db.Close()
		rows, err := db.QueryContext(ctx, statement)
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		for rows.Next() { // the job
		}
		return 0, rows.Err()
	}}
}

// program is a client program of the store's installation, else the one on PATH.
func (b *contest) program(names ...string) (string, error) {
	for _, name := range names {
		if b.baseDir == "" {
			break
		}
		if p := filepath.Join(b.baseDir, "bin", name); exists(p) {
			return p, nil
		}
	}
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("none of %s is installed", strings.Join(names, ", "))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// where are the arguments by which a client of MariaDB or MySQL finds the store.
func (b *contest) where() []string {
	host, port, _ := net.SplitHostPort(b.srv.Addr())
	return []string{"--host=" + host, "--port=" + port, "--user=root"}
}

// run runs a program and returns the processor time it took.
func run(ctx context.Context, program string, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", filepath.Base(program), err, out)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// loadData is the server's own way, by its own client. MariaDB sorts the rows of
// all indexes in bulk when both checks are off and the table is empty.
func (b *contest) loadData(ctx context.Context) (time.Duration, error) {
	client, err := b.program("mariadb", "mysql")
	if err != nil {
		return 0, err
	}
	args := append([]string{"--no-defaults"}, b.where()...)
	return run(ctx, client, append(args, "--local-infile=1", "-e",
		"SET unique_checks = 0, foreign_key_checks = 0; LOAD DATA LOCAL INFILE '"+b.csvFile()+
			"' INTO TABLE bench.sbtest CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' LINES TERMINATED BY '\\n'")...)
}

func (b *contest) dumpDir() string { return filepath.Join(b.dir, "dump") }

func (b *contest) dumped() bool { return exists(filepath.Join(b.dumpDir(), "metadata")) }

// dump lets mydumper write the table, in files enough for four threads.
func (b *contest) dump(ctx context.Context) error {
	dumper, err := b.program("mydumper")
	if err != nil {
		fmt.Println("mydumper is not installed (package mydumper)")
		return nil
	}
	_, err = run(ctx, dumper, append(b.where(), "--database=bench", "--tables-list=sbtest", "--rows=100000", "--outputdir="+b.dumpDir())...)
	if err != nil {
		fmt.Println(err)
		_ = os.RemoveAll(b.dumpDir())
	}
	return nil
}

func (b *contest) myloader(more ...string) func(context.Context) (time.Duration, error) {
	return func(ctx context.Context) (time.Duration, error) {
		loader, err := b.program("myloader")
		if err != nil {
			return 0, err
		}
		return run(ctx, loader, append(append(b.where(), "--threads=4", "--directory="+b.dumpDir()), more...)...)
	}
}
