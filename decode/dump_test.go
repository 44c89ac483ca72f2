package decode_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/decode"
	"dxfproxy/mariadbd/mariadbdtest"
)

const createDumped = `CREATE TABLE dumped (
	id BIGINT UNSIGNED PRIMARY KEY, b BOOL, bits BIT(10), i INT, d DECIMAL(20,5), f FLOAT, g DOUBLE,
	c CHAR(10), v VARCHAR(100), l VARCHAR(100) CHARACTER SET latin1, t TEXT, bin BINARY(4), vb VARBINARY(100), bl BLOB,
	da DATE, ti TIME(3), dt DATETIME(6), ts TIMESTAMP(6) NULL, y YEAR, e ENUM('a','b''c'), s SET('x','y'), j JSON,
	p POINT
) DEFAULT CHARSET utf8mb4`

// fillDumped takes bytes of every kind in turns: what has to be escaped, quotes, and
// what would end a row or a statement.
const fillDumped = `INSERT INTO dumped (id, b, bits, i, d, f, g, c, v, l, t, bin, vb, bl, da, ti, dt, ts, y, e, s, j, p)
SELECT seq, seq % 2, seq % 1024, IF(seq % 5 = 0, NULL, -seq), seq / 7, seq / 4, seq * 1e-300, CONCAT('c', seq),
	CONCAT('it''s "', CHAR(seq % 128 USING utf8mb4), '\\\0\n\r\Z 日本 😀 \\%\_'), CONCAT('é', CHAR(seq % 256 USING latin1)),
	'),(\'); -- /* # */;\n', UNHEX(LPAD(HEX(seq), 8, '0')), CHAR(seq % 256, 39, 92, 0, 255), REPEAT(CHAR(seq % 256), seq % 300),
	'2026-11-21' + INTERVAL seq DAY, SEC_TO_TIME(seq), '2026-03-29 00:00:00.123456' + INTERVAL seq MINUTE,
	'2026-03-29 00:00:00.123456' + INTERVAL seq MINUTE, 1901 + seq % 200, ELT(1 + seq % 3, 'a', 'b''c', NULL), 'x,y',
	JSON_OBJECT('k', CONCAT('"\\', seq)), IF(seq % 3 = 0, NULL, POINT(seq, -seq))
FROM seq_1_to_400`

// TestDumpsMeanWhatTheyMeant dumps a table of a real server with each tool, and stores
// what is read, with the time zone and the character set that the dump has set.
func TestDumpsMeanWhatTheyMeant(t *testing.T) {
	srv := mariadbdtest.StartT(t, "default_time_zone=+02:00")
	schema, db := mariadbdtest.Schema(t, srv)
	exec1 := func(statement string) {
		t.Helper()
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	exec1(createDumped)
	exec1(fillDumped)
	exec1("CREATE TRIGGER tr BEFORE UPDATE ON dumped FOR EACH ROW BEGIN SET @a = 'it''s; '; /* ; */ SET @b = 1; END")
	exec1("CREATE TABLE loaded LIKE dumped")

	host, port, err := net.SplitHostPort(srv.Addr())
	require.NoError(t, err)
	login := []string{"--host=" + host, "--port=" + port, "--user=root"}
	dump := func(t *testing.T, options ...string) []byte {
		tool, err := exec.LookPath("mariadb-dump")
		require.NoError(t, err, "run make setup")
		cmd := exec.CommandContext(t.Context(), tool, append(append(append([]string{"--no-defaults"}, login...), options...), schema, "dumped")...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		require.NoError(t, err)
		return out
	}
	for name, file := range map[string]func(t *testing.T) []byte{
		"mysqldump":             func(t *testing.T) []byte { return dump(t) },
		"mysqldump hex":         func(t *testing.T) []byte { return dump(t, "--hex-blob", "--complete-insert") },
		"mysqldump single rows": func(t *testing.T) []byte { return dump(t, "--skip-extended-insert", "--replace") },
		"mysqldump small": func(t *testing.T) []byte {
			return dump(t, "--hex-blob", "--default-character-set=utf8mb4", "--net-buffer-length=4096")
		},
		"mydumper": func(t *testing.T) []byte { return mydumper(t, schema, host, port) },
	} {
		t.Run(name, func(t *testing.T) {
			exec1("TRUNCATE TABLE loaded")
			store(t, db, file(t))
			var differ int
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT (SELECT COUNT(*) FROM loaded) - 400").Scan(&differ))
			require.Zero(t, differ)
			require.Equal(t, checksum(t, db, "dumped"), checksum(t, db, "loaded"))
		})
	}
}

func mydumper(t *testing.T, schema, host, port string) []byte {
	tool, err := exec.LookPath("mydumper")
	require.NoError(t, err, "run make setup")
	dir := t.TempDir()
	out, err := exec.CommandContext(
		t.Context(), tool, "--host", host, "--port", port, "--user", "root", "--database", schema, "--outputdir", dir,
	).CombinedOutput()
	require.NoError(t, err, string(out))
	files, err := filepath.Glob(filepath.Join(dir, schema+".dumped*.sql"))
	require.NoError(t, err)
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "-schema.sql") })
	require.Len(t, files, 1, string(out))
	file, err := os.ReadFile(files[0])
	require.NoError(t, err)
	return file
}

// store inserts a dump's rows one by one, in one transaction.
func store(t *testing.T, db *sql.DB, file []byte) {
	ctx := context.WithoutCancel(t.Context())
	conn, err := db.Conn(ctx)
	require.NoError(t, err)
	defer conn.Close()
	run := func(statement string) {
		_, err := conn.ExecContext(ctx, statement)
		require.NoError(t, err, statement)
	}
	defer run("SET NAMES utf8mb4, time_zone = DEFAULT")
	run("START TRANSACTION")
	rows := 0
	for r, last := decode.NewSQL(bytes.NewReader(file), decode.Start{}, decode.Server{}, decode.Limits{}), "?"; ; rows++ {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		set := fmt.Sprintf("SET NAMES %s, time_zone = '%s'", row.Names, row.TimeZone)
		if set != last {
			last = set
			names := row.Names
			if names == "" || names == "latin1" { // converted
				names = "utf8mb4"
			}
			run("SET NAMES " + names)
			if row.TimeZone != "" {
				run("SET time_zone = '" + row.TimeZone + "'")
			}
		}
		var values []string
		for _, f := range row.Fields {
			switch f.Kind {
			case decode.Null:
				values = append(values, "NULL")
			case decode.Number:
				values = append(values, string(f.Value))
			case decode.Bytes:
				values = append(values, fmt.Sprintf("x'%x'", f.Value))
			case decode.Text:
				values = append(values, "'"+strings.NewReplacer(`\`, `\\`, "'", "''").Replace(string(f.Value))+"'")
			}
		}
		columns := ""
		if row.Columns != nil {
			columns = "(`" + strings.Join(row.Columns, "`,`") + "`)"
		}
		run("INSERT INTO loaded" + columns + " VALUES (" + strings.Join(values, ",") + ")")
	}
	run("COMMIT")
	require.Equal(t, 400, rows)
}

func checksum(t *testing.T, db *sql.DB, table string) int64 {
	var name string
	var sum int64
	require.NoError(t, db.QueryRowContext(t.Context(), "CHECKSUM TABLE "+table).Scan(&name, &sum))
	return sum
}
