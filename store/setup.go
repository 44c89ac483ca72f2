package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/dxf"
	"dxfproxy/server"
)

//go:embed schema.sql
var schemaSQL string

// schemaVersion grows with every change of schema.sql: the script is run where
// an older version is found.
const schemaVersion = 7

// additions are what tables of an older version have not.
var additions = []string{
	`ALTER TABLE tidb_global_task ADD COLUMN submitter varchar(300) NOT NULL DEFAULT '' INVISIBLE`,
	`ALTER TABLE tidb_ddl_history ADD COLUMN submitter varchar(300) NOT NULL DEFAULT '' INVISIBLE, ADD KEY submitter (submitter)`,
	`UPDATE tidb_ddl_history SET submitter = LEFT(COALESCE(JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.user'), ''), 300) ` +
		`WHERE submitter = ''`,
	`ALTER TABLE changefeed ADD COLUMN server varchar(64) NOT NULL DEFAULT ''`,
	`ALTER TABLE changefeed ADD COLUMN file_mark varchar(64) NOT NULL DEFAULT ''`,
}

// setUp makes schema, tables and view, unless they are there in this version and for these
// types of tasks. Nodes that start together take turns under a lock of the server.
func setUp(ctx context.Context, mc *mysql.Config, schema string, types dxf.Types) (err error) {
	p, err := pool(mc, 1, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	conn, err := p.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	if ok, err := current(ctx, conn, schema, types); ok || err != nil {
		return err
	}
	if err := takeTurn(ctx, conn, schema); err != nil {
		return err
	}
	if ok, err := current(ctx, conn, schema, types); ok || err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS `"+schema+
		"` DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		return fmt.Errorf("create schema %s: %w", schema, err)
	}
	if _, err := conn.ExecContext(ctx, "USE `"+schema+"`"); err != nil {
		return fmt.Errorf("use schema %s: %w", schema, err)
	}
	for _, q := range statements(schemaSQL) {
		q = strings.Replace(q, "{rows read}", rowsRead(types, dxf.JobDDL), 1)
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", firstWords(q), err)
		}
	}
	for _, q := range additions {
		if _, err := conn.ExecContext(ctx, q); err != nil && !server.IsErr(err, server.ErrDupFieldName) {
			return fmt.Errorf("%s: %w", firstWords(q), err)
		}
	}
	const secretSQL = `INSERT IGNORE INTO secret (id, value) VALUES (1, ?)` // the first one stays
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		return fmt.Errorf("make the nodes' secret: %w", err)
	}
	if _, err := conn.ExecContext(ctx, secretSQL, hex.EncodeToString(b[:])); err != nil {
		return fmt.Errorf("make the nodes' secret: %w", err)
	}
	const versionSQL = `INSERT INTO counter (name, value) VALUES ('types', ?), ('schema', ?) ON DUPLICATE KEY UPDATE value = VALUES(value)`
	_, err = conn.ExecContext(ctx, versionSQL, typesVersion(types), schemaVersion)
	return err
}

// typesVersion is another number where the view is to count other rows.
func typesVersion(types dxf.Types) uint32 {
	return crc32.ChecksumIEEE([]byte(rowsRead(types, dxf.JobDDL)))
}

// takeTurn takes the lock under which nodes make the schema one after the other; it
// goes with the connection. There is no secret yet that its name could have, so it may
// be a stranger who holds it: nobody waits for that one, for every statement of the
// script may run twice at once, if not without errors.
func takeTurn(ctx context.Context, conn *sql.Conn, schema string) error {
	const lockSQL = `SELECT GET_LOCK(LEFT(?, 64), 1), IS_USED_LOCK(LEFT(?, 64))` // MySQL takes no longer name
	name := "dxf_setup_" + schema
	for range 60 {
		var got, holder sql.NullInt64
		if err := conn.QueryRowContext(ctx, lockSQL, name, name).Scan(&got, &holder); err != nil {
			return err
		}
		if got.Int64 == 1 {
			return nil
		}
		if !holder.Valid { // it has just been given up
			continue
		}
		if ours, err := ownConnection(ctx, conn, holder.Int64); err == nil && !ours {
			return nil
		}
	}
	return fmt.Errorf("another node has been making schema %s for a minute", schema)
}

// ownConnection says whether a connection is one of our account's. Others' cannot be
// seen by everybody, ours can.
func ownConnection(ctx context.Context, conn *sql.Conn, id int64) (bool, error) {
	const ownSQL = `SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ? AND USER = SUBSTRING_INDEX(USER(), '@', 1)`
	var n int
	err := conn.QueryRowContext(ctx, ownSQL, id).Scan(&n)
	return n > 0, err
}

// current says whether the tables are there in this version, and the view for these types; who
// knows none leaves it as it is.
func current(ctx context.Context, conn *sql.Conn, schema string, types dxf.Types) (bool, error) {
	const existsSQL = `SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'counter'`
	var n int
	if err := conn.QueryRowContext(ctx, existsSQL, schema).Scan(&n); err != nil {
		return false, err
	}
	if n == 0 {
		return false, nil
	}
	var version int
	var seen sql.NullInt64
	versionSQL := "SELECT s.value, t.value FROM `" + schema + "`.counter s LEFT JOIN `" + schema +
		"`.counter t ON t.name = 'types' WHERE s.name = 'schema'"
	err := conn.QueryRowContext(ctx, versionSQL).Scan(&version, &seen)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case version > schemaVersion:
		return false, fmt.Errorf("schema %s: %w (version %d, this one knows %d)", schema, ErrNewerSchema, version, schemaVersion)
	}
	return version == schemaVersion && (len(types) == 0 || seen.Int64 == int64(typesVersion(types))), nil
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
