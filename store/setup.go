package store

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

//go:embed schema.sql
var schemaSQL string

// schemaVersion grows with every change of schema.sql: the script is run where
// an older version is found.
const schemaVersion = 4

// additions are what tables of an older version have not.
var additions = []string{
	`ALTER TABLE tidb_global_task ADD COLUMN submitter varchar(300) NOT NULL DEFAULT '' INVISIBLE`,
}

// setUp makes schema and tables, unless they are there in this version. Nodes
// that start together take turns under a lock of the server.
func setUp(ctx context.Context, mc *mysql.Config, schema string) (err error) {
	p, err := pool(mc, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	conn, err := p.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	if ok, err := current(ctx, conn, schema); ok || err != nil {
		return err
	}
	const lockSQL = `SELECT GET_LOCK(LEFT(?, 64), 60)` // MySQL takes no longer name
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, lockSQL, "dxf_setup_"+schema).Scan(&got); err != nil {
		return err
	}
	if got.Int64 != 1 { // goes with the connection
		return fmt.Errorf("another node has been making schema %s for a minute", schema)
	}
	if ok, err := current(ctx, conn, schema); ok || err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS `"+schema+"` DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		return fmt.Errorf("create schema %s: %w", schema, err)
	}
	if _, err := conn.ExecContext(ctx, "USE `"+schema+"`"); err != nil {
		return fmt.Errorf("use schema %s: %w", schema, err)
	}
	for _, q := range statements(schemaSQL) {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", firstWords(q), err)
		}
	}
	for _, q := range additions {
		if _, err := conn.ExecContext(ctx, q); err != nil && number(err) != erDupFieldName {
			return fmt.Errorf("%s: %w", firstWords(q), err)
		}
	}
	const versionSQL = `INSERT INTO counter (name, value) VALUES ('schema', ?) ON DUPLICATE KEY UPDATE value = VALUES(value)`
	_, err = conn.ExecContext(ctx, versionSQL, schemaVersion)
	return err
}

// current says whether the tables are there in this version.
func current(ctx context.Context, conn *sql.Conn, schema string) (bool, error) {
	const existsSQL = `SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'counter'`
	var n int
	if err := conn.QueryRowContext(ctx, existsSQL, schema).Scan(&n); err != nil {
		return false, err
	}
	if n == 0 {
		return false, nil
	}
	var version int
	err := conn.QueryRowContext(ctx, "SELECT value FROM `"+schema+"`.counter WHERE name = 'schema'").Scan(&version)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case version > schemaVersion:
		return false, fmt.Errorf("schema %s: %w (version %d, this one knows %d)", schema, ErrNewerSchema, version, schemaVersion)
	}
	return version == schemaVersion, nil
}

// statements cuts a script at semicolons that end a line, and drops comments.
func statements(script string) []string {
	var code strings.Builder
	for line := range strings.Lines(script) {
		if !strings.HasPrefix(line, "--") {
			code.WriteString(line)
		}
	}
	var all []string
	for q := range strings.SplitSeq(code.String(), ";\n") {
		if q = strings.TrimSpace(q); q != "" {
			all = append(all, q)
		}
	}
	return all
}

// firstWords is what an error calls a statement: CREATE TABLE IF NOT EXISTS owner.
func firstWords(q string) string {
	first, _, _ := strings.Cut(q, "\n")
	return strings.TrimSuffix(first, " (")
}
