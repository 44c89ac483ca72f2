package changefeed_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// A column is a type and literals of values that have been lost by somebody on the
// way through the binlog.
type column struct {
	typ    string
	values []string
}

var awkward = []column{
	{"TINYINT", []string{"-128", "127", "0"}},
	{"TINYINT UNSIGNED", []string{"255", "128", "0"}},
	{"SMALLINT UNSIGNED", []string{"65535", "32768"}},
	{"SMALLINT", []string{"-32768"}},
	{"MEDIUMINT", []string{"-8388608", "-1", "8388607"}},
	{"MEDIUMINT UNSIGNED", []string{"16777215", "8388608"}},
	{"INT UNSIGNED ZEROFILL", []string{"4294967295", "7"}},
	{"INT", []string{"-2147483648"}},
	{"BIGINT", []string{"-9223372036854775808", "9223372036854775807"}},
	{"BIGINT UNSIGNED", []string{"18446744073709551615", "9223372036854775808"}},
	{"BOOLEAN", []string{"TRUE"}},
	{"DECIMAL(65,30)", []string{"-99999999999999999999999999999999999.999999999999999999999999999999", "0.000000000000000000000000000001", "-0.5"}},
	{"DECIMAL(10,0) UNSIGNED", []string{"9999999999", "0"}},
	{"DECIMAL(9,9)", []string{"0.000000001", "-0.123456789"}},
	{"FLOAT", []string{"0.1", "3.4028234e38", "-1.17549435e-38", "16777217", "'-0'", "1.0000001", "1e-45"}},
	{"FLOAT(7,3)", []string{"1234.567", "0.001"}},
	{"FLOAT UNSIGNED", []string{"0.3"}},
	{"DOUBLE", []string{"0.1", "1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "9007199254740993", "'-0'", "123456789012345680000"}},
	{"DOUBLE(10,2)", []string{"12345678.91"}},
	{"BIT(1)", []string{"b'1'", "b'0'"}},
	{"BIT(12)", []string{"b'101010101010'"}},
	{"BIT(64)", []string{"18446744073709551615", "9223372036854775808", "1"}},
	{"DATE", []string{"'0000-00-00'", "'2024-02-31'", "'9999-12-31'", "'2023-00-10'", "'0001-01-01'"}},
	{"TIME", []string{"'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"}},
	{"TIME(1)", []string{"'-00:00:00.1'", "'-12:34:56.9'"}},
	{"TIME(3)", []string{"'-00:00:00.001'", "'-838:59:59.999'", "'11:11:11.110'"}},
	{"TIME(6)", []string{"'-00:00:00.000001'", "'838:59:59.999999'", "'00:00:00.000010'"}},
	{"DATETIME", []string{"'0000-00-00 00:00:00'", "'9999-12-31 23:59:59'", "'2024-02-30 00:00:00'", "'1000-01-01 00:00:00'"}},
	{"DATETIME(2)", []string{"'2024-01-01 00:00:00.01'", "'0000-00-00 00:00:00.00'"}},
	{"DATETIME(6)", []string{"'2024-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'"}},
	{"TIMESTAMP NULL", []string{"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'0000-00-00 00:00:00'", "'2024-03-31 01:30:00'"}},
	{"TIMESTAMP(4) NULL", []string{"'2024-10-27 01:30:00.1234'", "'2001-01-01 00:00:00.0001'"}},
	{"TIMESTAMP(6) NULL", []string{"'2038-01-19 03:14:07.999999'"}},
	{"YEAR", []string{"0", "1901", "2155"}},
	{"CHAR(10)", []string{"'  a b'", "''", "'😀é'", "'it''s \\\\ \"q\" %'"}},
	{"CHAR(255)", []string{"REPEAT('😀', 255)", "'x'"}},
	{"CHAR(10) CHARACTER SET latin1", []string{"'é€ÿ'", "''"}},
	{"VARCHAR(200)", []string{"'trailing   '", "'a\\0b\\n\\r\\Z'", "REPEAT('é', 200)"}},
	{"VARCHAR(2000) CHARACTER SET latin1", []string{"REPEAT('é', 2000)", "'ÿ'"}},
	{"VARCHAR(50) CHARACTER SET utf8mb3", []string{"'žluťoučký'"}},
	{"VARCHAR(50) CHARACTER SET ucs2", []string{"'aé中'"}},
	{"VARCHAR(50) CHARACTER SET utf16", []string{"'a😀'"}},
	{"VARCHAR(50) CHARACTER SET utf32", []string{"'a😀'"}},
	{"VARCHAR(50) CHARACTER SET sjis", []string{"_sjis x'955c8350'"}},
	{"VARCHAR(50) CHARACTER SET gbk", []string{"_gbk x'bf5cd65c'"}},
	{"VARCHAR(50) CHARACTER SET koi8r", []string{"'Привет'"}},
	{"BINARY(6)", []string{"x'AB'", "x'000000000000'", "x'AB0000'", "x'AB2020'", "''", "x'0000000000FF'"}},
	{"VARBINARY(300)", []string{"x'00'", "x'AB00'", "x'20'", "''", "REPEAT(x'FF', 300)"}},
	{"TINYTEXT", []string{"'tiny é'"}},
	{"TEXT", []string{"''", "'text 😀'", "REPEAT('x', 70000/2)"}},
	{"MEDIUMTEXT CHARACTER SET latin1", []string{"REPEAT('é\\\\''', 150000)"}},
	{"LONGTEXT", []string{"REPEAT('😀\\\\\\0''\"', 60000)"}},
	{"TINYBLOB", []string{"x'00FF00'"}},
	{"BLOB", []string{"x'5C275C'", "''"}},
	{"MEDIUMBLOB", []string{"REPEAT(x'00275C0A0D1A22F09F', 50000)"}},
	{"LONGBLOB", []string{"x'00'"}},
	{"ENUM('', 'a', 'é', 'it''s')", []string{"''", "'a'", "'é'", "'it''s'", "0"}},
	{"ENUM('x','y') CHARACTER SET latin1", []string{"'y'"}},
	{"SET('a', 'b', 'c')", []string{"''", "'a,c'", "'a,b,c'"}},
	{"SET(" + members(64) + ")", []string{"'m1'", "'m64'", "18446744073709551615"}},
	{"JSON", []string{`'{"a": 1.50, "b":[null,"é😀\\"x"]}'`, "'null'", "'[]'"}},
	{"GEOMETRY", []string{"ST_GeomFromText('POINT(1 -1)', 4326)", "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')"}},
	{"POINT", []string{"POINT(0, -0.0)", "POINT(1e300, 1e-300)"}},
	{"LINESTRING", []string{"ST_GeomFromText('LINESTRING(0 0,1 1,2 2)')"}},
	{"POLYGON", []string{"ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')"}},
	{"UUID", []string{"'01020304-0506-0708-090a-0b0c0d0e0f00'", "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffff00'", "'f0000000-0000-1000-8000-000000000000'"}},
	{"INET6", []string{"'::'", "'2001:db8::'", "'::1'", "'::ffff:1.2.3.4'"}},
	{"INET4", []string{"'0.0.0.0'", "'1.2.0.0'", "'255.255.255.255'", "'32.32.32.32'"}},
}

func members(n int) string {
	var m []string
	for i := 1; i <= n; i++ {
		m = append(m, "'m"+itoa(i)+"'")
	}
	return strings.Join(m, ",")
}

// TestFidelity changes a table with columns of every type, in both modes.
func TestFidelity(t *testing.T) {
	awkward := slices.DeleteFunc(slices.Clone(awkward), func(a column) bool { return !has(a.typ) })
	var cols, names []string
	for i, a := range awkward {
		// Some charsets take many bytes: two tables' worth of columns would not
		// fit a row, TEXT does not count.
		cols = append(cols, "c"+itoa(i)+" "+a.typ)
		names = append(names, "c"+itoa(i))
	}
	create := "CREATE TABLE t (v0 INT AS (id + 1) VIRTUAL, id INT NOT NULL, " + strings.Join(cols, ", ") +
		", s0 VARCHAR(20) AS (CONCAT('s', id)) STORED, hidden INT INVISIBLE DEFAULT 7, PRIMARY KEY (id)) DEFAULT CHARSET=utf8mb4 ROW_FORMAT=DYNAMIC"
	r := newRig(t, create)
	r.run("node-a")
	const mode = "SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', NAMES utf8mb4"

	// Row n has the nth value of each column, NULL where there is none.
	rows := 0
	for _, a := range awkward {
		rows = max(rows, len(a.values))
	}
	row := func(n, shift int) string {
		var vs []string
		for _, a := range awkward {
			v := "NULL"
			if at := n - shift; at >= 0 && at < len(a.values) {
				v = a.values[at]
			}
			vs = append(vs, v)
		}
		return strings.Join(vs, ", ")
	}
	write := func(first int) {
		statements := []string{mode}
		for n := range rows + 1 {
			statements = append(statements, "INSERT INTO t (id, "+strings.Join(names, ", ")+") VALUES ("+itoa(first+n)+", "+row(n, 0)+")")
		}
		r.session(statements...)
	}
	update := func(first int) {
		statements := []string{mode}
		for n := range rows + 1 {
			var set []string
			for i, v := range awkward {
				value := "NULL"
				if at := (n + 1) % (rows + 1); at < len(v.values) {
					value = v.values[at]
				}
				set = append(set, names[i]+" = "+value)
			}
			statements = append(statements, "UPDATE t SET "+strings.Join(set, ", ")+" WHERE id = "+itoa(first+n))
		}
		r.session(statements...)
	}

	write(0)
	r.sync()
	require.Equal(t, rows+1, r.same())
	update(0)
	write(1000)
	r.sync()
	require.Equal(t, 2*(rows+1), r.same())
	r.strict()
	update(1000)
	write(2000)
	r.exec("UPDATE t SET id = id + 5000 WHERE id >= 2000", "DELETE FROM t WHERE id < 3")
	r.sync()
	require.Equal(t, 3*(rows+1)-3, r.same())
	require.Equal(t, dxf.FeedStrict, r.feed().Mode)
}
