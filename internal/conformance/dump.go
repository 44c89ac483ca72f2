package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// dumped are tables with what dumps have stumbled over.
var dumped = []string{
	"CREATE OR REPLACE DATABASE dumped",
	"CREATE TABLE dumped.plain (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(200), b BLOB, j JSON, d DATETIME(6), KEY (a))",
	"INSERT INTO dumped.plain (a, b, j, d) SELECT CONCAT('üñí \\\\ \\' \" ', seq), UNHEX(MD5(seq)), JSON_OBJECT('n', seq), " +
		"'2026-11-21 01:02:03.456789' FROM test_seq.seq_1_to_50000",
	"CREATE TABLE dumped.big (id INT PRIMARY KEY, b LONGBLOB)",
	"INSERT INTO dumped.big VALUES (1, REPEAT(X'00ff27', 6000000)), (2, NULL), (3, '')",
	"CREATE TABLE dumped.parts (id INT PRIMARY KEY, v INT AS (id * 2) STORED) PARTITION BY HASH (id) PARTITIONS 3",
	"INSERT INTO dumped.parts (id) SELECT seq FROM test_seq.seq_1_to_1000",
	"CREATE VIEW dumped.looks AS SELECT id, a FROM dumped.plain WHERE id < 10",
	"CREATE PROCEDURE dumped.p() BEGIN SELECT 1; END",
	"USE dumped", // with the schema in the trigger's text it could not be loaded elsewhere
	"CREATE TRIGGER t BEFORE INSERT ON parts FOR EACH ROW SET NEW.id = NEW.id",
}

// dump dumps a schema with mariadb-dump and mydumper, and loads what they wrote.
func (r *run) dump(ctx context.Context) (verdict, error) {
	ways := []outcomes{{}, {}}
	err := r.withNode(ctx, func(store, node string) error {
		if err := statements(ctx, store, append([]string{"CREATE DATABASE test_seq", "CREATE DATABASE loaded"}, dumped...)...); err != nil {
			return err
		}
		for i, addr := range []string{store, node} {
			dir := filepath.Join(r.dir, fmt.Sprint("dump-", i))
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			d := dumper{ctx: ctx, store: store, addr: addr, dir: dir, ended: ways[i]}
			d.mariadbDump()
			d.mydumper()
		}
		return nil
	})
	if err != nil {
		return verdict{}, err
	}
	return compare(ways[0], ways[1], nil), nil
}

// dumper dumps and loads at one address.
type dumper struct {
	ctx         context.Context
	store, addr string
	dir         string
	ended       outcomes
}

func (d dumper) command(name string, args ...string) *exec.Cmd {
	return exec.CommandContext(d.ctx, name, append([]string{"--host=127.0.0.1", "--port=" + port(d.addr), "--user=root"}, args...)...)
}

func (d dumper) mariadbDump() {
	for name, options := range map[string][]string{
		"mariadb-dump":                      {"--routines", "--triggers"},
		"mariadb-dump --single-transaction": {"--single-transaction", "--master-data=2", "--flush-logs"},
		"mariadb-dump --quick":              {"--quick", "--skip-extended-insert", "--hex-blob", "--skip-lock-tables"},
	} {
		text, err := d.command("mariadb-dump", append(options, "--skip-dump-date", "--max-allowed-packet=64M", "dumped")...).Output()
		if err != nil {
			d.ended[name] = explain(err)
			continue
		}
		// The position of the binlog and the name of the host are another each time.
		var lines []string
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "-- Host:") && !strings.Contains(line, "MASTER_LOG_POS") && !strings.Contains(line, "gtid_slave_pos") {
				lines = append(lines, line)
			}
		}
		d.ended[name+", its text"] = fmt.Sprintf("%d lines, %x", len(lines), sha256.Sum256([]byte(strings.Join(lines, ""))))
		load := d.command("mariadb", "--max-allowed-packet=64M", "loaded")
		load.Stdin = strings.NewReader(string(text))
		d.load(name, load)
	}
}

func (d dumper) mydumper() {
	out := filepath.Join(d.dir, "mydumper")
	if text, err := d.command("mydumper", "-B", "dumped", "-o", out, "-t", "4", "-r", "10000", "-G", "-E", "-R").CombinedOutput(); err != nil {
		d.ended["mydumper"] = explain(err) + string(text)
		return
	}
	d.load("mydumper and myloader", d.command("myloader", "-d", out, "-B", "loaded", "-s", "dumped", "-t", "4", "-o"))
}

// load runs a loader and compares what it loaded with what was dumped.
func (d dumper) load(name string, loader *exec.Cmd) {
	if err := statements(d.ctx, d.store, "CREATE OR REPLACE DATABASE loaded"); err != nil {
		d.ended[name] = err.Error()
		return
	}
	if text, err := loader.CombinedOutput(); err != nil {
		d.ended[name] = explain(err) + string(text)
		return
	}
	want, err := d.checksums("dumped")
	got, err2 := d.checksums("loaded")
	switch {
	case err != nil || err2 != nil:
		d.ended[name] = errors.Join(err, err2).Error()
	case got != want:
		d.ended[name] = "loaded " + got + ", dumped " + want
	default:
		d.ended[name] = passed
	}
}

func (d dumper) checksums(schema string) (string, error) {
	db, err := sql.Open("mysql", "root@tcp("+d.store+")/")
	if err != nil {
		return "", err
	}
	defer db.Close()
	var all []string
	// CHECKSUM TABLE is another one each time for generated columns.
	for table, query := range map[string]string{
		"plain": "CHECKSUM TABLE %s.plain", "big": "CHECKSUM TABLE %s.big",
		"parts": "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('#', id, v))) FROM %s.parts",
		"looks": "SELECT COUNT(*), SUM(CRC32(a)) FROM %s.looks",
	} {
		var ignored string
		var sum sql.NullString
		if err := db.QueryRowContext(d.ctx, fmt.Sprintf(query, schema)).Scan(&ignored, &sum); err != nil {
			return "", err
		}
		all = append(all, table+" "+sum.String)
	}
	slices.Sort(all)
	return strings.Join(all, ", "), nil
}

// explain adds what a program wrote to how it ended.
func explain(err error) string {
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return err.Error() + ": " + string(failed.Stderr)
	}
	return err.Error()
}
