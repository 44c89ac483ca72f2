package dxftest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// typed is a column type and awkward values of it, as SQL.
var typed = []struct {
	typ    string
	values []string
}{
	{"TINYINT", []string{"-128", "127"}},
	{"TINYINT UNSIGNED", []string{"255", "128"}},
	{"SMALLINT UNSIGNED", []string{"65535", "0"}},
	{"MEDIUMINT", []string{"-8388608", "-1"}},
	{"MEDIUMINT UNSIGNED", []string{"16777215", "8388608"}},
	{"INT UNSIGNED ZEROFILL", []string{"4294967295", "7"}},
	{"BIGINT", []string{"-9223372036854775808", "9223372036854775807"}},
	{"BIGINT UNSIGNED", []string{"18446744073709551615", "9223372036854775808"}},
	{"DECIMAL(65,30)", []string{"-99999999999999999999999999999999999.999999999999999999999999999999", "0.000000000000000000000000000001"}},
	{"FLOAT", []string{"0.1", "16777217", "'-0'", "1.0000001", "-1.17549435e-38", "1e-45"}},
	{"DOUBLE", []string{"0.1", "1.7976931348623157e308", "5e-324", "9007199254740993", "'-0'"}},
	{"BIT(1)", []string{"b'1'", "b'0'"}},
	{"BIT(64)", []string{"18446744073709551615", "9223372036854775808", "1"}},
	{"DATE", []string{"'0000-00-00'", "'2024-02-31'", "'9999-12-31'"}},
	{"TIME(6)", []string{"'-00:00:00.000001'", "'-838:59:59.999999'", "'11:11:11.100000'"}},
	{"DATETIME", []string{"'0000-00-00 00:00:00'", "'1000-01-01 00:00:00'"}},
	{"DATETIME(6)", []string{"'9999-12-31 23:59:59.999999'", "'2024-01-01 00:00:00.000010'"}},
	{"TIMESTAMP NULL", []string{"'1970-01-01 00:00:01'", "'2024-03-31 01:30:00'"}},
	{"TIMESTAMP(6) NULL", []string{"'2038-01-19 03:14:07.999999'", "'0000-00-00 00:00:00'"}},
	{"YEAR", []string{"0", "1901", "2155"}},
	{"CHAR(20)", []string{"'  a b'", "''", "'😀é'"}},
	{"CHAR(10) CHARACTER SET latin1", []string{"'é€ÿ'", "'a  '"}},
	{"VARCHAR(100) COLLATE utf8mb4_bin", []string{"'trailing   '", `'a\0b\n\r\Z\\''"'`, "REPEAT('é', 100)"}},
	{"VARCHAR(50) CHARACTER SET utf16", []string{"'a😀'"}},
	{"VARCHAR(50) CHARACTER SET gbk", []string{"_gbk x'bf5cd65c'"}},
	{"BINARY(6)", []string{"x'AB0000'", "x'000000000000'", "x'AB2020'"}},
	{"VARBINARY(30)", []string{"x'AB00'", "x'20'", "''"}},
	{"TINYTEXT", []string{"'tiny é'"}},
	{"TEXT", []string{"''", "REPEAT('😀', 500)"}},
	{"MEDIUMTEXT CHARACTER SET latin1", []string{`REPEAT('é\\''', 700)`}},
	{"LONGTEXT", []string{`REPEAT('😀\\\0''"', 900)`, "'x'"}},
	{"TINYBLOB", []string{"x'00FF00'"}},
	{"BLOB", []string{"x'5C275C'", "''"}},
	{"MEDIUMBLOB", []string{"REPEAT(x'00275C0A0D1A22F09F', 1000)"}},
	{"LONGBLOB", []string{"x'00'"}},
	{"ENUM('', 'a', 'é', 'it''s')", []string{"''", "'é'", "'it''s'", "'no such value'"}},
	{"SET(" + members(64) + ")", []string{"'m1'", "'m64'", "18446744073709551615", "''"}},
	{"JSON", []string{`'{"a": 1.50, "b":[null,"é😀\\"x"]}'`, "'[]'"}},
	{"GEOMETRY", []string{"ST_GeomFromText('POINT(1 -1)', 4326)", "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')"}},
	{"POINT", []string{"POINT(0, -0.0)", "POINT(1e300, 1e-300)"}},
	{"UUID", []string{"'01020304-0506-0708-090a-0b0c0d0e0f00'", "'00000000-0000-0000-0000-000000000000'"}},
	{"INET6", []string{"'::'", "'2001:db8::'", "'::ffff:1.2.3.4'"}},
	{"INET4", []string{"'0.0.0.0'", "'1.2.0.0'", "'32.32.32.32'"}},
	{"INT INVISIBLE DEFAULT 7", []string{"8"}},
}

// mariadbTypes are not on MySQL, but for JSON, with which no table is copied there
// (TestWays): text has their place.
var mariadbTypes = []string{"UUID", "INET4", "INET6", "JSON"}

func members(n int) string {
	var m []string
	for i := range n {
		m = append(m, fmt.Sprintf("'m%d'", i+1))
	}
	return strings.Join(m, ",")
}

// allTypes is a table with a column of every type that the store has but those named,
// each with the values that keep lets pass.
func allTypes(without []string, keep func(typ, value string) bool) shape {
	types := shape{
		// touched is written by the server only, at the time of the client's statement.
		columns: `id INT, touched TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
			v0 DOUBLE AS (c10) VIRTUAL, s0 VARCHAR(200) AS (CONCAT(c22, c22)) STORED`,
		keys: "PRIMARY KEY (id)", key: []string{"id"}, values: [][]string{{"?"}, {"-?"}},
		options: "DEFAULT CHARSET=utf8mb4", rows: 1500,
		set:   "SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+05:30', NAMES utf8mb4",
		alter: "ADD INDEX i0 (v0), ADD INDEX i1 (c7, c8), ADD INDEX i2 (s0(30)), ADD INDEX i3 (c22(10), c24), ADD INDEX i4 (c25, c40), ADD INDEX i5 (touched), ADD INDEX i6 (c36, c35, c12)",
	}
	for i, c := range typed {
		if slices.Contains(without, c.typ) && !onMariaDB() {
			c.typ = "VARCHAR(50)"
		}
		values := slices.DeleteFunc(slices.Clone(c.values), func(v string) bool { return !keep(c.typ, v) })
		types.payload = append(types.payload, payload{fmt.Sprintf("c%d", i), c.typ, func(r *rand.Rand) string {
			if r.IntN(5) == 0 {
				return "NULL"
			}
			return values[r.IntN(len(values))]
		}})
	}
	return types
}

// TestTypes adds indexes to a table with columns of every type while clients
// write awkward values. No byte of any value changes.
func TestTypes(t *testing.T) {
	h := newHouse(t, 2)
	s := h.session(0, "")
	h.run(s, "SET GLOBAL dxf_native_ddl_max_size = 0")
	w := newTwins(h, allTypes(mariadbTypes, func(_, _ string) bool { return true }))
	w.alterUnderWrites()
	w.distributed()
	w.same()
	w.nothingLeft()
}
