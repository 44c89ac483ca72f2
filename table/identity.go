package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"dxfproxy/server"
)

// An InnoDB table has a number of its own from CREATE TABLE to DROP TABLE. A
// rename keeps it; TRUNCATE and an ALTER that rebuilds the table give a new one.
// Partitions have one each; the lowest stands for the table.
const (
	// In names of files the server spells all but letters, digits and _ in a way
	// of its own (MySQL manual, "Mapping of Identifiers to File Names"). What follows #P#
	// (#p# where files' names have no case) is the partition.
	selectTableID = `SELECT MIN(TABLE_ID) FROM information_schema.INNODB_SYS_TABLES
WHERE SUBSTRING_INDEX(SUBSTRING_INDEX(NAME, '#P#', 1), '#p#', 1) = CONVERT(
	CONCAT(CAST(CONVERT(? USING filename) AS BINARY), '/', CAST(CONVERT(? USING filename) AS BINARY)) USING utf8mb4)
	COLLATE utf8mb4_general_ci`
	selectTableIDMySQL = `SELECT MIN(TABLE_ID) FROM information_schema.INNODB_TABLES
WHERE NAME = ? OR LEFT(NAME, CHAR_LENGTH(?)) = ?`

	selectCreated = `SELECT CREATE_TIME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`
)

// Identity tells a table from another one that comes to have its name: two
// answers that differ are of two tables. "" is a table of which the store tells
// nothing of the kind: another engine's, or of an account without PROCESS.
func Identity(ctx context.Context, q server.Querier, schema, name string) (string, error) {
	var id sql.NullInt64
	err := q.QueryRowContext(ctx, selectTableID, schema, name).Scan(&id)
	if server.IsErr(err, server.ErrUnknownCharacterSet) {
		of, plainOf := fileName(schema)
		file, plain := fileName(name)
		if !plainOf || !plain { // MySQL does not spell other letters for us
			return created(ctx, q, schema, name)
		}
		whole := of + "/" + file
		err = q.QueryRowContext(ctx, selectTableIDMySQL, whole, whole+"#P#", whole+"#P#").Scan(&id) // #p#: the column compares without case
	}
	switch {
	case server.IsErr(err, server.ErrSpecificAccessDenied):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("identify table %s.%s: %w", schema, name, err)
	case !id.Valid:
		return "", nil
	}
	return fmt.Sprintf("innodb %d", id.Int64), nil
}

// created is the moment of a table's creation, of an ALTER that rebuilt it, or of
// its last rename, to the second.
func created(ctx context.Context, q server.Querier, schema, name string) (string, error) {
	var at sql.NullString
	err := q.QueryRowContext(ctx, selectCreated, schema, name).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !at.Valid {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("identify table %s.%s: %w", schema, name, err)
	}
	return "created " + at.String, nil
}

// fileName spells an identifier of ASCII characters as the server does in names
// of files; ok is false for others.
func fileName(identifier string) (spelled string, ok bool) {
	var b strings.Builder
	for i := range len(identifier) {
		switch c := identifier[i]; {
		case c >= 0x80:
			return "", false
		case c == '_', c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "@%04x", c)
		}
	}
	return b.String(), true
}
