package importinto_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/stretchr/testify/require"

	"dxfproxy/importinto"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
	"dxfproxy/sqltext"
)

func isMariaDB(t *testing.T) bool {
	_, db := mariadbdtest.Schema(t, srv)
	family, err := server.FamilyOf(t.Context(), db)
	require.NoError(t, err)
	return family == server.MariaDB
}

func asParquet(m *importinto.Meta) { m.Format = "parquet" }

// parquetOf writes rows of columns, whose values are in the order of their names.
func parquetOf(t *testing.T, columns parquet.Group, rows ...[]any) string {
	t.Helper()
	var b bytes.Buffer
	group := parquet.Group{}
	for name, node := range columns {
		group[name] = parquet.Optional(node)
	}
	w := parquet.NewWriter(&b, parquet.NewSchema("t", group))
	for _, row := range rows {
		var out parquet.Row
		for i, v := range row {
			if v == nil {
				out = append(out, parquet.NullValue().Level(0, 0, i))
			} else {
				out = append(out, parquet.ValueOf(v).Level(0, 1, i))
			}
		}
		_, err := w.WriteRows([]parquet.Row{out})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String()
}

// TestI2AddressesOfAllFormats: under a strict sql_mode, too. The types are MariaDB's.
func TestI2AddressesOfAllFormats(t *testing.T) {
	uuid := [16]byte{0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00}
	types, _ := knownTypes(t)
	for _, c := range []struct {
		typ, text, hex string
		node           parquet.Node
		value          any
	}{
		{"INET4", "1.2.3.4", "01020304", parquet.String(), "1.2.3.4"},
		{"INET6", "2001:db8::1:2:34", "20010db8000000000000000100020034", parquet.String(), "2001:db8::1:2:34"},
		{"UUID", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000", parquet.UUID(), uuid},
		{"CHAR(36)", "123e4567-e89b-12d3-a456-426614174000", "31323365343536372d653839622d313264332d613435362d343236363134313734303030", parquet.UUID(), uuid}, // I18
	} {
		if c.typ != "CHAR(36)" && !slices.Contains(types, c.typ) {
			continue
		}
		create := "CREATE TABLE t (id INT PRIMARY KEY, v " + c.typ + ")"
		bothWays(t, func(t *testing.T) {
			for name, text := range map[string]string{
				"1.csv":     "1," + c.text + "\n",
				"1.sql":     "INSERT INTO t VALUES (1,0x" + c.hex + ");\n",
				"2.sql":     "/*!40101 SET NAMES binary */;\nINSERT INTO t VALUES (1,'" + c.text + "');\n",
				"1.parquet": parquetOf(t, parquet.Group{"id": parquet.Int(32), "v": c.node}, []any{int32(1), c.value}),
			} {
				j := startImport(t, map[string]string{name: text}, func(m *importinto.Meta) { m.Format = strings.Split(name, ".")[1] }, create)
				j.finish()
				require.Equal(t, "1|"+c.text+"\n", j.rows("SELECT id, v FROM t"), "%s %s", c.typ, name)
			}
			if c.typ == "UUID" {
				e := startImport(t, map[string]string{"1.csv": "1,nonsense\n"}, nil, create).fail(importinto.StepImport)
				require.EqualValues(t, 1292, e.Code, e.Message)
			}
		})
	}
}

// TestI18BytesOfParquet: a UUID of Parquet has sixteen bytes, and BINARY(16) takes them.
func TestI18BytesOfParquet(t *testing.T) {
	uuid := [16]byte{0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0x00}
	bothWays(t, func(t *testing.T) {
		j := startImport(t, map[string]string{"1.parquet": parquetOf(t, parquet.Group{"raw": parquet.UUID()}, []any{uuid})}, asParquet, "CREATE TABLE t (raw BINARY(16))")
		j.finish()
		require.Equal(t, "123E4567E89B12D3A456426614174000", j.Query("SELECT HEX(raw) FROM t"))
	})
}

// knowBerlin tells the server of a time zone, in the year that is looked at.
func knowBerlin(t *testing.T) {
	t.Helper()
	_, db := mariadbdtest.Schema(t, srv)
	var known sql.NullString
	if require.NoError(t, db.QueryRow("SELECT CONVERT_TZ('2026-10-25 12:00:00', 'Europe/Berlin', '+00:00')").Scan(&known)); known.Valid {
		return
	}
	res, err := db.Exec("INSERT INTO mysql.time_zone (Use_leap_seconds) VALUES ('N')")
	require.NoError(t, err)
	id, err := res.LastInsertId()
	require.NoError(t, err)
	for _, q := range []string{
		"INSERT INTO mysql.time_zone_transition_type (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation) VALUES (%d, 0, 3600, 0, 'CET'), (%[1]d, 1, 7200, 1, 'CEST')",
		"INSERT INTO mysql.time_zone_transition (Time_zone_id, Transition_time, Transition_type_id) VALUES (%d, 1774746000, 1), (%[1]d, 1792890000, 0)",
		"INSERT INTO mysql.time_zone_name (Name, Time_zone_id) VALUES ('Europe/Berlin', %d)",
	} {
		_, err := db.Exec(fmt.Sprintf(q, id))
		require.NoError(t, err)
	}
}

// TestI3TheHourThatComesTwice: an instant stays one, and a DATETIME shows what the
// client's clock does.
func TestI3TheHourThatComesTwice(t *testing.T) {
	berlin := func(m *importinto.Meta) { m.Format, m.TimeZone = "parquet", "Europe/Berlin" }
	base := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	instant := parquet.Timestamp(parquet.Microsecond)
	var rows [][]any
	for i := range 3 {
		at := base.Add(time.Duration(i) * time.Hour).UnixMicro()
		rows = append(rows, []any{at, int32(i), at})
	}
	rows = append(rows, []any{nil, int32(3), nil})
	file := map[string]string{"1.parquet": parquetOf(t, parquet.Group{"at": instant, "id": parquet.Int(32), "shown": instant}, rows...)}
	knowBerlin(t)
	bothWays(t, func(t *testing.T) {
		j := startImport(t, file, berlin, "CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMP NULL, shown DATETIME)")
		j.finish()
		require.Equal(t, "0|1792888200|2026-10-25 02:30:00\n1|1792891800|2026-10-25 02:30:00\n2|1792895400|2026-10-25 03:30:00\n3|NULL|NULL\n",
			j.rows("SELECT id, UNIX_TIMESTAMP(at), shown FROM t ORDER BY id"))
		// With something that needs the client's zone, what cannot be said in it is refused.
		j = startImport(t, file, berlin, "CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMP NULL, shown DATETIME, made DATETIME DEFAULT CURRENT_TIMESTAMP)")
		e := j.fail(importinto.StepImport)
		require.EqualValues(t, 1292, e.Code, e.Message)
		require.Contains(t, e.Message, "'2026-10-25 00:30:00Z' for column 'at': time zone Europe/Berlin shows this hour twice")
		j = startImport(t, file, func(m *importinto.Meta) {
			berlin(m)
			m.Fields = []sqltext.ImportField{{Var: "a"}, {Column: "id"}, {}}
			m.Set = []sqltext.ImportSet{{Column: "at", Expr: "@`a`"}}
		}, "CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMP NULL)")
		require.EqualValues(t, 1292, j.fail(importinto.StepImport).Code)
		// Beside it nothing is lost: the hour behind, and INT96.
		nanos := uint64(2*3600+30*60) * 1e9
		one := parquetOf(t, parquet.Group{"at": parquet.Leaf(parquet.Int96Type), "id": parquet.Int(32)},
			[]any{deprecated.Int96{uint32(nanos & math.MaxUint32), uint32(nanos >> 32), 2440588 + 20751}, int32(1)})
		j = startImport(t, map[string]string{"1.parquet": one}, berlin, "CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMP NULL, made DATETIME DEFAULT CURRENT_TIMESTAMP)")
		j.finish()
		require.Equal(t, "1792895400", j.Query("SELECT UNIX_TIMESTAMP(at) FROM t"))
	})
}

// TestI5ConstraintsHold: on MariaDB, too.
func TestI5ConstraintsHold(t *testing.T) {
	mariaDB := isMariaDB(t)
	code := func(m, my uint16) uint16 {
		if mariaDB {
			return m
		}
		return my
	}
	bothWays(t, func(t *testing.T) {
		for _, mode := range []string{"STRICT_TRANS_TABLES", ""} {
			set := func(m *importinto.Meta) { m.SQLMode = mode }
			j := startImport(t, map[string]string{"1.csv": "1,{}\n2,{bad\n"}, set, "CREATE TABLE t (id INT PRIMARY KEY, j JSON)")
			e := j.fail(importinto.StepImport)
			require.Equal(t, code(4025, 3140), e.Code, e.Message)
			require.Contains(t, e.Message, "1.csv, line 2")
			j = startImport(t, map[string]string{"1.csv": "1,1\n2,5\n3,-5\n"}, set, "CREATE TABLE t (id INT PRIMARY KEY, a INT, CONSTRAINT positive CHECK (a > 0))")
			e = j.fail(importinto.StepImport)
			require.Equal(t, code(4025, 3819), e.Code, e.Message)
			if mariaDB { // on MySQL the names of constraints are the schema's
				require.Contains(t, e.Message, "positive")
			}
			require.Contains(t, e.Message, "1.csv, line 3")
		}
		j := startImport(t, map[string]string{"1.csv": "1,1\n2,\\N\n"}, nil, "CREATE TABLE t (id INT PRIMARY KEY, a INT, CONSTRAINT positive CHECK (a > 0), KEY (a))")
		j.finish()
		require.Equal(t, "1|1\n2|NULL\n", j.rows("SELECT * FROM t ORDER BY id"))
	})
}

// TestI9FloatsOfParquet: a number of 32 bits goes into numbers as what it is, and into
// texts as it is written.
func TestI9FloatsOfParquet(t *testing.T) {
	leaf := parquet.Leaf(parquet.FloatType)
	group := parquet.Group{"d": leaf, "e": leaf, "f": leaf, "id": parquet.Int(32), "v": leaf}
	rows := [][]any{}
	for i, f := range []float32{0.1, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 16777216} {
		d := f
		if i > 0 {
			d = 1.005
		}
		rows = append(rows, []any{f, d, f, int32(i), f})
	}
	bothWays(t, func(t *testing.T) {
		j := startImport(t, map[string]string{"1.parquet": parquetOf(t, group, rows...)}, asParquet,
			"CREATE TABLE t (id INT PRIMARY KEY, f FLOAT, d DOUBLE, e DECIMAL(5,2), v VARCHAR(40))")
		j.finish()
		require.Equal(t, "0|0.10000000149011612|0.10|0.1\n1|3.4028234663852886e38|1.00|3.4028235e38\n2|-3.4028234663852886e38|1.00|-3.4028235e38\n"+
			"3|1.401298464324817e-45|1.00|1e-45\n4|16777216|1.00|16777216\n", j.rows("SELECT id, CONCAT(d), e, v FROM t ORDER BY id"))
		require.Equal(t, "5", j.Query("SELECT COUNT(*) FROM t WHERE f + 0e0 = d"))
	})
}

// TestI1TextIsNoBytes: where a type has a form of bytes, text of as many is not that. MySQL
// alone takes it for a vector, from LOAD DATA too.
func TestI1TextIsNoBytes(t *testing.T) {
	types, _ := knownTypes(t)
	for typ, text := range map[string]string{"INET4": "1.23", "INET6": "1234:5678:9abc:z", "UUID": "123e4567-e89b-12", "VECTOR(2)": "12:34:56"} {
		if !slices.Contains(types, typ) {
			continue
		}
		j := startImport(t, map[string]string{"1.csv": text + "\n"}, nil, "CREATE TABLE t (v "+typ+")")
		if !isMariaDB(t) {
			j.finish()
			require.Equal(t, text, j.Query("SELECT UNHEX(HEX(v)) FROM t"))
			continue
		}
		e := j.fail(importinto.StepImport)
		require.EqualValues(t, 1292, e.Code, typ)
		require.Contains(t, e.Message, "Incorrect "+strings.ToLower(strings.TrimSuffix(typ, "(2)"))+" value")
	}
}
