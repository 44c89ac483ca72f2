package dxftest

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
)

// meaningSessions are what clients set: every variable that the servers' manuals tie to
// DDL or to the values that it stores.
var meaningSessions = []string{
	"", "SET time_zone = '+09:00'", "SET time_zone = 'SYSTEM'", "SET timestamp = 1000000000", "SET explicit_defaults_for_timestamp = OFF",
	"SET sql_mode = ''", "SET sql_mode = 'TRADITIONAL'", "SET sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE'", "SET sql_mode = 'ANSI_QUOTES,STRICT_TRANS_TABLES'",
	"SET sql_mode = 'ORACLE'", "SET sql_mode = 'NO_UNSIGNED_SUBTRACTION'", "SET innodb_strict_mode = OFF", "SET div_precision_increment = 9", "SET default_week_format = 3",
	"SET lc_time_names = 'de_DE'", "SET lc_messages = 'de_DE'", "SET alter_algorithm = 'COPY'", "SET alter_algorithm = 'INSTANT'", "SET old_mode = 'NO_DUP_KEY_WARNINGS_WITH_IGNORE'",
	"SET auto_increment_increment = 10", "SET check_constraint_checks = 0", "SET foreign_key_checks = 0, unique_checks = 0", "SET NAMES latin1",
	"SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SET sql_if_exists = ON", "SET block_encryption_mode = 'aes-256-cbc'",
	"SET system_versioning_alter_history = KEEP", "SET group_concat_max_len = 1024, max_sort_length = 64", "SET sql_generate_invisible_primary_key = ON",
}

// meaningChanges are statements about table m, with what of the rows is compared where
// that is not all.
var meaningChanges = []struct{ alter, rows string }{
	{alter: "ADD INDEX i (a), ADD INDEX j (d), ADD INDEX k (q)"},
	{alter: "ADD COLUMN n TIMESTAMP NOT NULL DEFAULT '2020-01-01 12:00:00', ADD INDEX (n)"},
	{alter: "ADD COLUMN n TIMESTAMP, ADD INDEX i (a)", rows: "SELECT COUNT(*), MAX(ABS(TIMESTAMPDIFF(SECOND, n, NOW()))) < 60 FROM m"},
	{alter: "ADD COLUMN n DATE NOT NULL, ADD INDEX (n)"},
	{alter: "ADD COLUMN n DATETIME DEFAULT CURRENT_TIMESTAMP, ADD INDEX i (a)", rows: "SELECT COUNT(*), MAX(ABS(TIMESTAMPDIFF(SECOND, n, NOW()))) < 60 FROM m"},
	{alter: "ADD COLUMN n POINT NOT NULL, ADD INDEX i (a)"},
	{alter: "ADD COLUMN n INT DEFAULT 3 CHECK (n > 5), ADD INDEX i (a)"},
	{alter: "ADD COLUMN n INT NOT NULL AUTO_INCREMENT, ADD UNIQUE (n)"},
	{alter: "ADD COLUMN n VARCHAR(10) DEFAULT 'é', ADD INDEX i (n) COMMENT 'ß'"},
	{alter: "ADD COLUMN g TINYINT AS (a * 2) STORED, ADD INDEX (g)"},
	{alter: "ADD COLUMN g CHAR(2) AS (b) VIRTUAL, ADD INDEX (g)"},
	{alter: "ADD COLUMN g DECIMAL(20,10) AS (a / 7) STORED, ADD INDEX (g)"},
	{alter: "ADD COLUMN g INT AS (100 MOD (a - 1)) STORED, ADD INDEX (g)"},
	{alter: "ADD COLUMN g BIGINT AS (u - a) STORED, ADD INDEX (g)"},
	{alter: "ADD COLUMN g INT AS (WEEK(dt)) STORED, ADD INDEX (g)"},
	{alter: "ADD COLUMN g VARCHAR(20) AS (MONTHNAME(dt)) STORED, ADD INDEX (g)"},
	{alter: "ADD COLUMN g DATE AS (DATE(ts)) STORED, ADD INDEX (g)"},
	{alter: "ADD COLUMN g VARCHAR(60) AS (CONCAT(b, '-', a)) STORED, ADD INDEX (g)"},
	{alter: "MODIFY dt TIMESTAMP NULL, ADD INDEX i (a)"},
	{alter: "ADD COLUMN n INT, ADD INDEX i (a, n)"},
	{alter: "ADD INDEX i (a), ADD INDEX i2 (a)"},
	{alter: "ADD UNIQUE i (a)"},
}

// meaningTable is made and filled by a session of another zone, that divides otherwise.
var meaningTable = []string{
	"SET time_zone = '-08:00', div_precision_increment = 2",
	`CREATE TABLE m (id INT PRIMARY KEY, a INT, u INT UNSIGNED, b VARCHAR(40), dt DATETIME, ts TIMESTAMP NULL, d DATE AS (DATE(ts)) STORED,
		q DECIMAL(20,10) AS (a / 7) STORED, w VARCHAR(50) AS (CONCAT(b, a)) STORED)`,
	`INSERT INTO m (id, a, u, b, dt, ts) VALUES (1, 1, 1, 'x', '2024-05-23 22:00:00', '2024-05-23 22:00:00'),
		(2, 100, 150, 'long', '2023-01-01 12:00:00', '2023-12-31 23:59:59'), (3, -5, 7, NULL, NULL, NULL)`,
}

// TestMeaning: a statement means on the way of a job what it means on the session that
// sent it. DXFPROXY_LONG=1 tries all pairs; else a draw.
func TestMeaning(t *testing.T) {
	h := newHouse(t, 1)
	s := h.session(0, "")
	h.run(s, "SET GLOBAL dxf_native_ddl_max_size = 0")
	type pair struct{ session, change int }
	var pairs []pair
	for i := range meaningSessions {
		for j := range meaningChanges {
			pairs = append(pairs, pair{i, j})
		}
	}
	if os.Getenv("DXFPROXY_LONG") == "" {
		seed := firstSeed(t)
		t.Logf("DXFPROXY_SEED=%d", seed)
		rand.New(rand.NewPCG(seed, 7)).Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		pairs = pairs[:12]
	}
	for _, p := range pairs {
		t.Run(fmt.Sprintf("%s; %s", meaningSessions[p.session], meaningChanges[p.change].alter), func(t *testing.T) {
			h.in(t).same(meaningSessions[p.session], meaningTable, "ALTER TABLE m "+meaningChanges[p.change].alter, meaningChanges[p.change].rows)
		})
	}
}

// TestMeaningOfRows are the pairs that once stored other values than the store would, or
// values that the session forbids.
func TestMeaningOfRows(t *testing.T) {
	h := newHouse(t, 1)
	s := h.session(0, "")
	h.run(s, "SET GLOBAL dxf_native_ddl_max_size = 0")
	for name, c := range map[string]struct{ set, alter, rows string }{
		"D1Zone":         {set: "SET time_zone = '+09:00'", alter: "ADD COLUMN n TIMESTAMP NOT NULL DEFAULT '2020-01-01 12:00:00', ADD INDEX (n)"},
		"D2Explicit":     {set: "SET explicit_defaults_for_timestamp = OFF", alter: "ADD COLUMN n TIMESTAMP, ADD INDEX i (a)", rows: "SELECT COUNT(*), COUNT(n) FROM m"},
		"D3ZeroDate":     {set: "SET sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_DATE'", alter: "ADD COLUMN n DATE NOT NULL, ADD INDEX (n)"},
		"D3OutOfRange":   {alter: "ADD COLUMN g TINYINT AS (a * 2) STORED, ADD INDEX (g)"},
		"D3TooLong":      {alter: "ADD COLUMN g CHAR(2) AS (b) VIRTUAL, ADD INDEX (g)"},
		"D3Division":     {set: "SET sql_mode = 'TRADITIONAL'", alter: "ADD COLUMN g INT AS (100 MOD (a - 1)) STORED, ADD INDEX (g)"},
		"D3Check":        {alter: "ADD COLUMN n INT DEFAULT 3 CHECK (n > 5), ADD INDEX i (a)"},
		"D5KeptDate":     {alter: "ADD INDEX i (a)"},
		"D5KeptRebuilt":  {set: "SET time_zone = '+09:00'", alter: "ADD COLUMN n INT FIRST, ADD INDEX i (a)"},
		"D6Algorithm":    {set: "SET alter_algorithm = 'INSTANT'", alter: "ADD INDEX i (a)"},
		"D8Digits":       {set: "SET div_precision_increment = 9", alter: "ADD COLUMN g DECIMAL(20,10) AS (a / 7) STORED, ADD INDEX (g)"},
		"D8Timestamp":    {set: "SET timestamp = 1000000000", alter: "ADD COLUMN n DATETIME DEFAULT CURRENT_TIMESTAMP, ADD INDEX i (a)"},
		"D8LocalTime":    {set: "SET time_zone = '+09:00'", alter: "ADD COLUMN n DATETIME DEFAULT CURRENT_TIMESTAMP, ADD INDEX i (a)", rows: "SELECT MAX(ABS(TIMESTAMPDIFF(SECOND, n, NOW()))) < 60 FROM m"},
		"D8OtherColumns": {set: "SET time_zone = '+09:00'", alter: "MODIFY dt TIMESTAMP NULL, ADD INDEX i (a)"},
	} {
		t.Run(name, func(t *testing.T) { h.in(t).same(c.set, meaningTable, "ALTER TABLE m "+c.alter, c.rows) })
	}
}

// same runs a statement on the store and through a node, on the same table m under the
// same settings, and demands the same.
func (h *house) same(set string, make []string, statement, rows string) {
	h.Helper()
	cfg, err := mysql.ParseDSN(srv.DSN() + h.schema)
	require.NoError(h, err)
	connector, err := mysql.NewConnector(cfg)
	require.NoError(h, err)
	store := sql.OpenDB(connector)
	store.SetMaxIdleConns(-1) // what one has set is not the next one's
	defer store.Close()
	var results [2]string
	for i := range results {
		conn, err := store.Conn(h.Context())
		require.NoError(h, err)
		h.run(conn, "DROP TABLE IF EXISTS m")
		h.run(conn, make...)
		client := conn
		if i == 1 {
			client = h.session(0, "")
			defer client.Close()
		} else {
			_, _ = conn.ExecContext(h.Context(), "SET time_zone = DEFAULT, div_precision_increment = DEFAULT")
		}
		if set != "" {
			if _, err := client.ExecContext(h.Context(), set); err != nil {
				conn.Close()
				h.Skipf("the server does not know it: %v", err)
			}
		}
		results[i] = h.outcome(client, statement, rows)
		conn.Close()
	}
	require.Equal(h, results[0], results[1])
}

// outcome is what a statement about table m does: error, definition, rows.
func (h *house) outcome(client *sql.Conn, statement, rows string) string {
	h.Helper()
	var number uint16
	if _, err := client.ExecContext(h.Context(), statement); err != nil {
		var e *mysql.MySQLError
		require.True(h, errors.As(err, &e), "%v", err)
		number = e.Number
		h.Logf("%v", err)
	}
	fresh, err := h.direct.Conn(h.Context())
	require.NoError(h, err)
	defer fresh.Close()
	h.run(fresh, "SET time_zone = '+00:00'")
	reader := client
	if rows == "" || number != 0 {
		reader, rows = fresh, "SELECT * FROM m ORDER BY id"
	}
	return fmt.Sprintf("error %d\n%s\n%s", number, h.definition("m"), strings.Join(h.texts(reader, rows), "\n"))
}

// texts are the rows of an answer.
func (h *house) texts(c *sql.Conn, query string) (all []string) {
	h.Helper()
	rows, err := c.QueryContext(h.Context(), query)
	require.NoError(h, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(h, err)
	for rows.Next() {
		values, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		require.NoError(h, rows.Scan(dest...))
		all = append(all, fmt.Sprint(values))
	}
	require.NoError(h, rows.Err())
	return all
}
