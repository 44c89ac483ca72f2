package importinto_test

import "strings"

// columnTypes are all that servers have, with values of their own beside those that
// every type is tried with. What a server does not know is left out.
var columnTypes = []struct {
	name   string
	values []string // as SQL
}{
	{"BOOLEAN", []string{"TRUE", "FALSE"}},
	{"TINYINT", []string{"-128", "127", "128"}},
	{"TINYINT UNSIGNED", []string{"255", "256"}},
	{"SMALLINT", []string{"-32768", "32767", "32768"}},
	{"SMALLINT UNSIGNED", []string{"65535", "65536"}},
	{"MEDIUMINT", []string{"-8388608", "8388607", "8388608"}},
	{"MEDIUMINT UNSIGNED", []string{"16777215", "16777216"}},
	{"INT", []string{"-2147483648", "2147483647", "'0x10'", "2147483648", "-2147483649", "'2147483647.4'", "'2147483647.5'"}},
	{"INT UNSIGNED", []string{"4294967295", "4294967296"}},
	{"INT(5) ZEROFILL", []string{"12"}},
	{"BIGINT", []string{"-9223372036854775808", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "'9223372036854775806.5'"}},
	{"BIGINT UNSIGNED", []string{"18446744073709551615", "0xffffffffffffffff", "18446744073709551616", "'18446744073709551616'"}},
	{"DECIMAL(10,3)", []string{"9999999.999", "-9999999.999", "'1e3'", "0.0005", "9999999.9995", "10000000"}},
	{"DECIMAL(5,0) UNSIGNED", []string{"99999", "100000", "99999.5"}},
	{"DECIMAL(65,30)", []string{strings.Repeat("9", 35) + "." + strings.Repeat("9", 30), "0." + strings.Repeat("0", 29) + "1"}},
	{"FLOAT", []string{"3.4028234e38", "1.17549435e-38", "-0.1", "16777217"}},
	{"FLOAT UNSIGNED", nil},
	{"FLOAT(7,3)", []string{"9999.999", "9999.9996", "-0.0005"}},
	{"DOUBLE", []string{"1.7976931348623157e308", "-1.7976931348623157e308", "4.9e-324", "'1e400'", "2.2250738585072014e-308", "0.1", "-1e-300"}},
	{"BIT(1)", []string{"b'1'", "b'0'", "b'10'", "2", "255"}},
	{"BIT(16)", []string{"b'1010101010101010'", "65535", "-5", "2.5", "3.5", "2.5e0", "'ab'"}},
	{"BIT(64)", []string{"-5", "18446744073709551615", "-9223372036854775808", "'abcdefgh'", "1e18"}},
	{"DATE", []string{"'1000-01-01'", "'9999-12-31'", "'0000-00-00'", "'2026-00-00'", "'0001-01-01'", "'26-1-2'", "'20260102'", "'10000-01-01'", "'2026-02-29'", "'2024-02-29'"}},
	{"TIME", []string{"'838:59:59'", "'-838:59:59'", "'12:34:56.5'", "'1 2:3'", "8385959", "'-00:00:01'", "'839:00:00'", "8390000"}},
	{"TIME(6)", []string{"'838:59:58.999999'", "'-0:0:0.000001'", "123456.789"}},
	{"DATETIME", []string{"'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'0000-00-00 00:00:00'", "'2026-01-02T03:04:05.5'", "'9999-12-31 23:59:59.5'", "'2026-01-02 24:00:00'"}},
	{"DATETIME(6)", []string{"'9999-12-31 23:59:59.999999'", "20260102030405.123456"}},
	{"TIMESTAMP NULL", []string{"'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'0000-00-00 00:00:00'", "'2026-03-29 02:30:00'",
		"'1970-01-01 02:00:00'", "'1970-01-01 02:00:01'", "'2038-01-19 05:14:07'", "'2038-01-19 05:14:08'", "'2106-02-07 08:28:15'", "'2106-02-07 08:28:16'"}},
	{"TIMESTAMP(6) NULL", []string{"'2026-10-25 02:30:00.123456'"}},
	{"YEAR", []string{"1901", "2155", "0", "'0'", "'0000'", "70", "'69'", "5", "100", "1900", "2156", "99", "'70'"}},
	{"CHAR(60)", []string{"'trailing  '", text(60, "ü"), text(61, "ü")}},
	{"VARCHAR(60)", []string{"'trailing  '", "'ünï 😀'", text(60, "😀"), text(61, "😀"), "'" + strings.Repeat("a", 60) + "  '"}},
	{"VARCHAR(0)", nil},
	{"VARCHAR(60) CHARACTER SET utf8mb3", []string{"'ünï'", "0xc3bc"}},
	{"VARCHAR(60) CHARACTER SET latin1", []string{"'ünï €'", "0xe9", "0xc3a9", "_binary 'caf\xc3\xa9'"}},
	{"VARCHAR(60) CHARACTER SET utf16", []string{"'ünï 😀'", "0x00e9", "0x0041"}},
	{"VARCHAR(60) CHARACTER SET ascii", []string{"'ü'", "'u'"}},
	{"VARCHAR(60) CHARACTER SET koi8r", []string{"'ж'", "0xd6"}},
	{"TINYTEXT", []string{text(255, "a"), text(256, "a"), text(128, "ü")}},
	{"TEXT", []string{`'a\nb\tc\\d\'e\0f'`}},
	{"MEDIUMTEXT", nil},
	{"LONGTEXT CHARACTER SET latin1", []string{"0xfffe"}},
	{"VARCHAR(60) COMPRESSED", nil},
	{"BLOB COMPRESSED", []string{"x'00ff'"}},
	{"BINARY(20)", []string{"x'00ff0a09'", text(20, "b"), text(21, "b")}},
	{"VARBINARY(60)", []string{"x'00ff5c2c22'", "''", text(60, "b"), text(61, "b")}},
	{"TINYBLOB", []string{text(255, "b"), text(256, "b")}},
	{"BLOB", []string{"x'ff00'"}},
	{"MEDIUMBLOB", nil},
	{"LONGBLOB", nil},
	{"ENUM('2', 'ü', '1', 'it''s', 'a\\\\b', 'x,y')", []string{"'ü'", "3", "'3'", "4", "'it''s'", `'a\\b'`, "5", "6", "99"}},
	{"ENUM('a', 'é') CHARACTER SET latin1", []string{"'é'", "0xe9", "2"}},
	{"SET('2', 'ü', '1', 'it''s')", []string{"'ü,1'", "3", "'3'", "15", "16", "'it''s'", "'2,2'"}},
	{"SET('a', 'é') CHARACTER SET latin1", []string{"'é,a'", "0xe9", "3"}},
	{"JSON", []string{`'{"a": [1, 2.50, "ü", null]}'`, "'null'", "'[]'", `'"text"'`}},
	{"GEOMETRY", []string{pointOf("0101000000"), "0x00000000" + lineOf}},
	{"POINT", []string{pointOf("0101000000")}},
	{"LINESTRING", []string{"x'00000000" + lineOf + "'"}},
	{"POLYGON", []string{"x'00000000" + polygon + "'"}},
	{"MULTIPOINT", []string{"x'00000000" + "010400000001000000" + point + "'"}},
	{"MULTILINESTRING", []string{"x'00000000" + "010500000001000000" + lineOf + "'"}},
	{"MULTIPOLYGON", []string{"x'00000000" + "010600000001000000" + polygon + "'"}},
	{"GEOMETRYCOLLECTION", []string{"x'00000000" + "010700000002000000" + point + lineOf + "'", "x'00000000" + "010700000000000000" + "'"}},
	{"POINT SRID 4326", []string{"x'e6100000" + point + "'"}},
	{"POINT REF_SYSTEM_ID = 101", []string{"x'00000000" + point + "'"}},
	{"INET4", []string{"'1.2.3.4'", "0x01020304", "'255.255.255.255'", "'0.0.0.0'"}},
	{"INET6", []string{"'2001:db8::1:2:34'", "'::1.2.3.4'", "'::'", "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'", "0x00000000000000000000ffff01020304", "'1.2.3.4'"}},
	{"UUID", []string{"'123e4567-e89b-12d3-a456-426614174000'", "'123E4567E89B12D3A456426614174000'", "0x123e4567e89b12d3a456426614174000", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'{nonsense}'"}},
	{"VECTOR(2)", []string{"0x0000803f000000bf"}},
	{"XMLTYPE", []string{"'<a/>'"}},
}

const (
	point   = "01010000000000000000000000000000000000f03f"
	corner  = "0000000000000000" + "0000000000000000"
	polygon = "0103000000" + "01000000" + "04000000" + corner + "0000000000000000" + "000000000000f03f" + "000000000000f03f" + "000000000000f03f" + corner
)

// text is a literal of n times a character.
func text(n int, of string) string { return "'" + strings.Repeat(of, n) + "'" }

func pointOf(head string) string {
	return "0x00000000" + head + strings.Repeat("00", 8) + "000000000000f03f"
}

const lineOf = "010200000002000000" + "0000000000000000" + "000000000000f03f" + "000000000000f0bf" + "0000000000000040"

// everyValue is tried with every type.
var everyValue = []string{
	"NULL", "0", "1", "-1", "2", "7", "007", "+7", "1.50", ".5", "5.", "-0.0", "2.5", "-2.5", "''", "'0'", "'1'", "'2'", "'a'", "' 1 '", "'1.5'", "'1e1'",
	"x'31'", "x''", "0x41", "b'110001'", "_binary '1'", "20260102", "70102", "'70102'", "20260102030405", "'2026-01-02'", "'2026-01-02 03:04:05.678'", "'12:34:56'",
	"'2001:db8::1:2:34'", "'abcdefghijklmnop'", "0x0102030405060708090a0b0c0d0e0f10", "'{\"a\": 1}'", "'ü'", "'00'",
}
