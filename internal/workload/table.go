package workload

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"time"
)

// Table is the table of a load: Rows rows of version 0 with ids from 1.
type Table struct {
	Schema string
	Name   string
	Rows   int64
	Seed   int64
}

// Quoted is the table's name, ready for a statement.
func (t Table) Quoted() string { return "`" + t.Schema + "`.`" + t.Name + "`" }

// Columns of the table, in the order of Row.Values. Three secondary indexes
// make the copy of a live table as expensive as it is in practice.
const createTable = `CREATE TABLE %s (
  id         BIGINT NOT NULL AUTO_INCREMENT,
  version    INT NOT NULL,
  customer   INT UNSIGNED NOT NULL,
  code       VARCHAR(40) CHARACTER SET latin1 NOT NULL,
  amount     DECIMAL(10,2) NOT NULL,
  created_at DATETIME NOT NULL,
  note       VARCHAR(100) CHARACTER SET utf8mb4,
  PRIMARY KEY (id),
  KEY by_customer (customer),
  KEY by_code (code),
  KEY by_note (note(20), created_at)
) ENGINE=InnoDB`

// fillTable makes rows a+1 to a+n of version 0. Its expressions are those of
// Table.Row, so that a million rows need not travel over the wire. MySQL 9.7 has no
// shorter hash than SHA2.
const fillTable = `INSERT INTO %[1]s (id, version, customer, code, amount, created_at, note)
SELECT id, 0,
  CRC32(CONCAT('customer:', %[2]d, ':', id, ':0')) %% 1000000,
  LEFT(SHA2(CONCAT('code:', %[2]d, ':', id, ':0'), 256), 32),
  CRC32(CONCAT('amount:', %[2]d, ':', id, ':0')) %% 1000000 / 100,
  '2020-01-01 00:00:00' + INTERVAL CRC32(CONCAT('day:', %[2]d, ':', id, ':0')) %% 150000000 SECOND,
  IF(id %% 17 = 0, NULL, CONCAT(LEFT(SHA2(CONCAT('note:', %[2]d, ':', id, ':0'), 256), 32), REPEAT('·', id %% 40)))
FROM (SELECT %[3]d + 1 + d0.d + 10*d1.d + 100*d2.d + 1000*d3.d + 10000*d4.d AS id FROM %[5]s d0, %[5]s d1, %[5]s d2, %[5]s d3, %[5]s d4) ids
WHERE id <= %[3]d + %[4]d`

const digits = `(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)`

// fillStep is how many rows one statement of Create makes: what five digits count.
const fillStep = 100_000

// Create makes the schema and the table and fills it. progress, when not nil,
// is told the rows there are after each step.
func (t Table) Create(ctx context.Context, db *sql.DB, progress func(rows int64)) error {
	for _, stmt := range []string{
		"CREATE DATABASE IF NOT EXISTS `" + t.Schema + "`",
		"DROP TABLE IF EXISTS " + t.Quoted(),
		fmt.Sprintf(createTable, t.Quoted()),
	} {
		if _, err := db.ExecContext(ctx, stmt); err != nil {
			return fmt.Errorf("make the table: %w", err)
		}
	}
	for at := int64(0); at < t.Rows; at += fillStep {
		n := min(fillStep, t.Rows-at)
		if _, err := db.ExecContext(ctx, fmt.Sprintf(fillTable, t.Quoted(), t.Seed, at, n, digits)); err != nil {
			return fmt.Errorf("fill the table: %w", err)
		}
		if progress != nil {
			progress(at + n)
		}
	}
	return nil
}

// Row is what a row of an id and version must hold.
type Row struct {
	ID        int64
	Version   int
	Customer  uint32
	Code      string
	Amount    string
	CreatedAt string
	Note      sql.NullString
}

// Row computes a row.
func (t Table) Row(id int64, version int) Row {
	text := func(name string) string { return fmt.Sprintf("%s:%d:%d:%d", name, t.Seed, id, version) }
	crc := func(name string) uint32 { return crc32.ChecksumIEEE([]byte(text(name))) }
	hash := func(name string) string { h := sha256.Sum256([]byte(text(name))); return hex.EncodeToString(h[:16]) }
	cents := crc("amount") % 1000000
	r := Row{
		ID: id, Version: version,
		Customer:  crc("customer") % 1000000,
		Code:      hash("code"),
		Amount:    fmt.Sprintf("%d.%02d", cents/100, cents%100),
		CreatedAt: epoch.Add(time.Duration(crc("day")%150000000) * time.Second).Format(time.DateTime),
	}
	if id%17 != 0 {
		note := hash("note")
		for range id % 40 {
			note += "·"
		}
		r.Note = sql.NullString{String: note, Valid: true}
	}
	return r
}

var epoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
