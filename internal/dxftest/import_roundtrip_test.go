package dxftest

import (
	"bytes"
	"database/sql"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// textKeeps leaves out what no file of text can bring back: FLOATs of more than six
// digits, which both servers write with six, and a value of an ENUM that is no
// member, which is written like the member ”.
func textKeeps(typ, value string) bool {
	switch typ {
	case "FLOAT":
		return value != "16777217" && value != "1.0000001" && value != "-1.17549435e-38" && value != "1e-45"
	case "ENUM('', 'a', 'é', 'it''s')":
		return value != "'no such value'"
	}
	return true
}

// parquetKeeps leaves out days that no calendar has, also what becomes one: a time
// before TIMESTAMP's first in the zone of the sessions.
func parquetKeeps(typ, value string) bool {
	switch typ {
	case "TIMESTAMP NULL":
		return !strings.Contains(value, "1970")
	case "DATE", "DATETIME", "DATETIME(6)", "TIMESTAMP(6) NULL":
		return !strings.Contains(value, "0000-00-00") && !strings.Contains(value, "02-31")
	}
	return textKeeps(typ, value) || typ == "FLOAT"
}

// roundTrip is a table of all types, a twin of it, and back, which is empty.
type roundTrip struct {
	*importer
	twins *twins
	out   string // where the server may write
}

func newRoundTrip(im *importer, keep func(typ, value string) bool) *roundTrip {
	im.Helper()
	r := &roundTrip{importer: im, out: im.TempDir()}
	// MySQL has JSON, and IMPORT INTO has no reason to refuse it.
	noJSON := slices.DeleteFunc(slices.Clone(mariadbTypes), func(typ string) bool { return typ == "JSON" })
	types := allTypes(noJSON, keep)
	types.rows = 500
	r.twins = newTwins(im.house, types)
	execute(im.T, im.direct, "ALTER TABLE x "+r.twins.alter)
	execute(im.T, im.direct, "CREATE TABLE back LIKE x")
	im.Cleanup(func() { _, _ = im.direct.Exec("DROP TABLE IF EXISTS back") })
	// The server has another account; TempDir is ours only.
	for dir := r.out; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		require.NoError(im, os.Chmod(dir, 0o777))
	}
	return r
}

// comesBack imports what is there, and compares all columns that did not get lost on
// the way out.
func (r *roundTrip) comesBack(n int, statement string, lost ...string) {
	r.Helper()
	defer execute(r.T, r.direct, "TRUNCATE TABLE back")
	definition := r.definition("back")
	c := r.session(n, "")
	defer c.Close()
	r.run(c, "SET sql_mode = 'STRICT_TRANS_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+05:30'")
	row := r.loadOn(c, statement)
	rows := r.sameRows("back", "`the twin`", "id", lost...)
	require.Equal(r, strconv.Itoa(rows), row["Imported_Rows"])
	require.Equal(r, definition, r.definition("back"))
	checkTable(r.T, r.direct, "back")
	r.nothingLeft()
}

// TestImportRoundTrips: a table with columns of every type and awkward values goes out
// by the tools that people use, and comes back byte by byte.
func TestImportRoundTrips(t *testing.T) {
	t.Parallel()
	im := newImporter(t, 3)
	t.Run("text", func(t *testing.T) {
		r := newRoundTrip(im.in(t), textKeeps)
		for _, c := range []struct {
			name string
			test func(*roundTrip)
		}{
			{"mysqldump", func(r *roundTrip) { r.mysqldump() }},
			{"mysqldump --hex-blob", func(r *roundTrip) { r.mysqldump("--hex-blob", "--complete-insert", "--net-buffer-length=16384") }},
			{"mysqldump --skip-extended-insert", func(r *roundTrip) {
				r.mysqldump("--skip-extended-insert", "--replace", "--no-create-info", "--hex-blob")
			}},
			{"mydumper", func(r *roundTrip) { r.mydumper("*.sql") }},
			{"mydumper --compress", func(r *roundTrip) { r.mydumper("*.sql.gz", "--compress", "--rows=400") }},
			{"CSV", (*roundTrip).csv},
		} {
			t.Run(c.name, func(t *testing.T) { c.test(&roundTrip{importer: r.in(t), twins: r.twins, out: r.out}) })
		}
	})
	t.Run("Parquet", func(t *testing.T) {
		r := newRoundTrip(im.in(t), parquetKeeps)
		r.parquet()
	})
}

func (r *roundTrip) mysqldump(options ...string) {
	cmd := exec.CommandContext(r.Context(), program(r.T, "mysqldump"), r.mariadbArgs(append(append([]string{"--default-character-set=utf8mb4"}, options...), r.schema, "x")...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	dump, err := cmd.Output()
	require.NoError(r, err, errs.String())
	r.comesBack(0, "IMPORT INTO back FROM "+quote(r.file("dump.sql", string(dump)))+" FORMAT 'sql'")
}

// mydumper: without --complete-insert its version 0.10 can forget the column list of a
// file's last statement, which generated columns make it write. On MySQL it takes a
// column with an expression for its default for a generated one.
func (r *roundTrip) mydumper(files string, options ...string) {
	dir := r.TempDir()
	host, port, err := net.SplitHostPort(r.nodes[0].Addr)
	require.NoError(r, err)
	output(r.T, program(r.T, "mydumper"), append(options, "--host="+host, "--port="+port, "--user=root", "--database="+r.schema, "--tables-list=x",
		"--no-schemas", "--no-locks", "--complete-insert", "--outputdir="+dir, "--statement-size=20000")...)
	var lost []string
	if !onMariaDB() {
		lost = []string{"touched"}
	}
	r.comesBack(1, "IMPORT INTO back FROM "+quote(dir+"/"+files)+" FORMAT 'sql'", lost...)
}

func (r *roundTrip) columns(query string) (names []string) {
	r.Helper()
	return strings.Fields(r.list("SELECT column_name FROM information_schema.columns WHERE table_schema = '" + r.schema + "' AND table_name = 'x' AND (" + query + ") ORDER BY ordinal_position"))
}

// csv is what the server itself writes: text in one character set, all other bytes as
// they are. Generated columns are read and thrown away.
func (r *roundTrip) csv() {
	names := r.columns("TRUE")
	foreign := r.columns("character_set_name IS NOT NULL AND character_set_name <> 'utf8mb4'")
	var exprs []string
	for _, name := range names {
		if slices.Contains(foreign, name) {
			name = "CONVERT(" + name + " USING utf8mb4)"
		}
		exprs = append(exprs, name)
	}
	path, list := filepath.Join(r.out, "out.csv"), strings.Join(names, ", ")
	client := r.twins.connect("") // in the time zone of the values
	defer client.Close()
	r.run(client, "SELECT "+strings.Join(exprs, ", ")+" INTO OUTFILE "+quote(path)+` CHARACTER SET binary FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '\\' LINES TERMINATED BY '\n' FROM x`)
	r.comesBack(2, "IMPORT INTO back ("+list+") FROM "+quote(path)+` WITH lines_terminated_by = '\n'`)
	text, err := os.ReadFile(path)
	require.NoError(r, err)
	r.comesBack(0, "IMPORT INTO back ("+list+") FROM "+quote(r.packed("out.csv.zst", string(text)))+` WITH lines_terminated_by = '\n'`)
}

// parquetColumn is how a column is written into a Parquet file.
type parquetColumn struct {
	name, expr string
	node       parquet.Node
	value      func(text []byte) any
}

func (r *roundTrip) parquetColumn(name, typ string, unsigned bool) parquetColumn {
	c := parquetColumn{name: name, expr: name, node: parquet.String(), value: func(text []byte) any { return text }}
	integer := func(text []byte) any {
		n, err := strconv.ParseInt(string(text), 10, 64)
		require.NoError(r, err, "%s of %s", name, typ)
		return n
	}
	switch typ {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "year":
		c.expr, c.node, c.value = name+" + 0", parquet.Int(64), integer
		if unsigned {
			c.node = parquet.Uint(64)
			c.value = func(text []byte) any {
				n, err := strconv.ParseUint(string(text), 10, 64)
				require.NoError(r, err)
				return n
			}
		}
	case "float", "double":
		c.expr, c.node = "CAST("+name+" + 0e0 AS CHAR)", parquet.Leaf(parquet.DoubleType)
		c.value = func(text []byte) any {
			f, err := strconv.ParseFloat(string(text), 64)
			require.NoError(r, err)
			return f
		}
		if typ == "float" {
			c.node = parquet.Leaf(parquet.FloatType)
			double := c.value
			c.value = func(text []byte) any { return float32(double(text).(float64)) }
		}
	case "decimal":
		c.node = parquet.Decimal(30, 65, parquet.ByteArrayType)
		c.value = func(text []byte) any {
			n, ok := new(big.Int).SetString(strings.Replace(string(text), ".", "", 1), 10)
			require.True(r, ok)
			return twosComplement(n)
		}
	case "date":
		c.expr, c.node = "TO_DAYS("+name+") - TO_DAYS('1970-01-01')", parquet.Date()
		c.value = func(text []byte) any { return int32(integer(text).(int64)) }
	case "datetime":
		c.expr, c.node, c.value = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', "+name+")", parquet.TimestampAdjusted(parquet.Microsecond, false), integer
	case "timestamp":
		c.expr, c.node, c.value = "CAST(UNIX_TIMESTAMP("+name+") * 1000000 AS SIGNED)", parquet.Timestamp(parquet.Microsecond), integer
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "geometry", "point":
		c.node = parquet.Leaf(parquet.ByteArrayType)
	case "enum":
		c.expr, c.node = "CONVERT("+name+" USING utf8mb4)", parquet.Enum()
	case "json":
		c.node = parquet.JSON()
	case "uuid":
		c.expr, c.node = "UNHEX(REPLACE("+name+", '-', ''))", parquet.UUID()
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "set":
		c.expr = "CONVERT(" + name + " USING utf8mb4)"
	}
	return c
}

// twosComplement is a number as Parquet has decimals: its bytes, the highest first.
func twosComplement(n *big.Int) []byte {
	if n.Sign() >= 0 {
		return append([]byte{0}, n.Bytes()...)
	}
	bits := uint(n.BitLen()/8+1) * 8
	return new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), bits)).Bytes()
}

func (r *roundTrip) parquet() {
	types := map[string]string{}
	for line := range strings.Lines(r.list("SELECT column_name, CONCAT(data_type, IF(column_type LIKE '%unsigned%', '+', '')) FROM information_schema.columns WHERE table_schema = '" + r.schema + "' AND table_name = 'x'")) {
		name, typ, _ := strings.Cut(strings.TrimSpace(line), "|")
		types[name] = typ
	}
	names := r.columns("generation_expression = '' OR generation_expression IS NULL")
	slices.Sort(names) // as the writer has them
	group, exprs := parquet.Group{}, []string{}
	var columns []parquetColumn
	for _, name := range names {
		typ, unsigned := strings.CutSuffix(types[name], "+")
		c := r.parquetColumn(name, typ, unsigned)
		columns, exprs = append(columns, c), append(exprs, c.expr)
		group[name] = parquet.Optional(c.node)
	}
	var file bytes.Buffer
	w := parquet.NewWriter(&file, parquet.NewSchema("x", group), parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(400))
	client := r.twins.connect("") // in the time zone of the values
	defer client.Close()
	rows, err := client.QueryContext(r.Context(), "SELECT "+strings.Join(exprs, ", ")+" FROM x")
	require.NoError(r, err)
	defer rows.Close()
	for rows.Next() {
		values := make([]sql.RawBytes, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		require.NoError(r, rows.Scan(to...))
		row := make(parquet.Row, len(columns))
		for i, c := range columns {
			if values[i] == nil {
				row[i] = parquet.NullValue().Level(0, 0, i)
				continue
			}
			v := c.value(bytes.Clone(values[i]))
			if b, ok := v.([]byte); ok && c.node.Type().Kind() == parquet.FixedLenByteArray {
				row[i] = parquet.FixedLenByteArrayValue(b).Level(0, 1, i)
				continue
			}
			row[i] = parquet.ValueOf(v).Level(0, 1, i)
		}
		_, err := w.WriteRows([]parquet.Row{row})
		require.NoError(r, err)
	}
	require.NoError(r, rows.Err())
	require.NoError(r, w.Close())
	r.comesBack(1, fmt.Sprintf("IMPORT INTO back (%s) FROM %s FORMAT 'parquet'", strings.Join(names, ", "), quote(r.file("x.parquet", file.String()))))
}

// TestImportShapes imports into tables of every shape, from files of several kinds.
func TestImportShapes(t *testing.T) {
	t.Parallel()
	im := newImporter(t, 3)
	const rows = 3000
	for i := range 3 {
		part := csvRows(i*rows/3+1, (i+1)*rows/3)
		im.file(fmt.Sprintf("p%d.csv", i), part)
		im.packed(fmt.Sprintf("g%d.csv.gz", i), part)
		im.packed(fmt.Sprintf("z%d.csv.zst", i), part)
	}
	im.file("p9.csv", "this,is,not,read\n")
	columns := "id INT NOT NULL, n INT, code VARCHAR(20), pad VARCHAR(1000)"
	for i, c := range []struct {
		name, create string
		list, from   string
		check        string // counts rows that are wrong, by SQL; wrongRows when empty
	}{
		{name: "wildcard", create: loadTable, from: "p[0-2].csv"},
		{name: "gzip", create: loadTable, from: "g*.csv.gz"},
		{name: "zstd", create: loadTable, from: "z*.csv.zst"},
		{name: "HASH partitions", create: "CREATE TABLE load_t (" + columns + ", PRIMARY KEY (id), KEY by_n (n), KEY u (code)) PARTITION BY HASH (id) PARTITIONS 5", from: "p[0-2].csv"},
		{
			name: "RANGE partitions", create: "CREATE TABLE load_t (" + columns + `, PRIMARY KEY (id), KEY by_n (n), KEY u (code)) PARTITION BY RANGE (id)
				(PARTITION a VALUES LESS THAN (500), PARTITION b VALUES LESS THAN (2000), PARTITION c VALUES LESS THAN MAXVALUE)`, from: "g*.csv.gz",
		},
		{
			name: "generated columns", create: "CREATE TABLE load_t (" + columns + ", v INT AS (n + 1) VIRTUAL, s VARCHAR(30) AS (CONCAT(code, '!')) STORED, PRIMARY KEY (id), KEY by_n (n), KEY u (code), KEY by_v (v), UNIQUE KEY by_s (s))", from: "p[0-2].csv",
			check: wrongRows + " OR NOT (v <=> n + 1 AND s <=> CONCAT(code, '!'))",
		},
		{
			name: "AUTO_INCREMENT omitted", create: loadTable, list: "(@, n, code, pad)", from: "p[0-2].csv",
			check: "SELECT ABS(COUNT(DISTINCT code) - 3000) + SUM(NOT (n <=> SUBSTR(code, 2) % 1000 AND pad <=> REPEAT('x', 960 + SUBSTR(code, 2) % 20))) FROM load_t",
		},
		{
			name: "list, variables and SET", create: loadTable, list: "(@id, @N, code, @p) SET id = @id * 2, n = @n + 1, pad = CONCAT(LEFT(@P, 10), '-', @id)", from: "z*.csv.zst",
			check: "SELECT COUNT(*) FROM load_t WHERE NOT (code <=> CONCAT('c', id DIV 2) AND n <=> id DIV 2 % 1000 + 1 AND pad <=> CONCAT(REPEAT('x', 10), '-', id DIV 2))",
		},
		{
			name: "no key", create: "CREATE TABLE load_t (" + columns + ", KEY by_n (n), KEY u (code))", from: "g*.csv.gz",
		},
		{
			name: "another order of columns", create: "CREATE TABLE load_t (pad VARCHAR(1000), code VARCHAR(20) PRIMARY KEY, extra INT DEFAULT 5, n INT, id INT, KEY by_n (n), KEY u (id))", list: "(id, n, code, pad)", from: "p[0-2].csv",
			check: wrongRows + " OR extra <> 5",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			im := im.in(t)
			execute(t, im.direct, c.create)
			definition := im.definition("load_t")
			row := im.load(i%3, "IMPORT INTO load_t "+c.list+" FROM "+quote(im.dir+"/"+c.from))
			require.Equal(t, strconv.Itoa(rows), row["Imported_Rows"])
			check := c.check
			if check == "" {
				check = wrongRows
			}
			require.Zero(t, scan[int](t, im.direct, check), "rows with other values")
			require.Equal(t, rows, scan[int](t, im.direct, "SELECT COUNT(DISTINCT code) FROM load_t"))
			require.Equal(t, rows, scan[int](t, im.direct, "SELECT COUNT(n) FROM load_t FORCE INDEX (by_n)"))
			require.Equal(t, definition, im.definition("load_t"))
			checkTable(t, im.direct, "load_t")
			if strings.Contains(c.create, "AUTO_INCREMENT") {
				top := scan[int64](t, im.direct, "SELECT MAX(id) FROM load_t")
				execute(t, im.direct, "INSERT INTO load_t (code) VALUES ('next')")
				require.Greater(t, scan[int64](t, im.direct, "SELECT id FROM load_t WHERE code = 'next'"), top)
			}
			im.nothingLeft()
			execute(t, im.direct, "DROP TABLE load_t")
		})
	}
}

// TestImportSplitFile: parts of one file are loaded on several nodes.
func TestImportSplitFile(t *testing.T) {
	t.Parallel()
	im := newImporter(t, 3)
	const rows = 27_000
	execute(t, im.direct, loadTable)
	im.load(0, "IMPORT INTO load_t FROM "+quote(im.file("one.csv", "id,n,code,pad\n"+csvRows(1, rows)))+" WITH split_file, skip_rows = 1, lines_terminated_by = '\\n'")
	archived(t, im.direct, im.meta)
	require.Equal(t, "2|2\n", im.list("SELECT COUNT(*), COUNT(DISTINCT exec_id) FROM `"+im.meta+"`.tidb_background_subtask_history WHERE step = 1"))
	im.loaded(rows)
	im.nothingLeft()
}
