package decode_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dxfproxy/decode"
)

// show writes a row as the tests here expect it: numbers bare, text in quotes, bytes
// in hexadecimal, and before it what the statement and the file say of it.
func show(row decode.Row) string {
	var b strings.Builder
	if row.Columns != nil {
		fmt.Fprintf(&b, "(%s) ", strings.Join(row.Columns, ","))
	}
	if row.TimeZone != "" {
		fmt.Fprintf(&b, "zone %s ", row.TimeZone)
	}
	if row.Names != "" {
		fmt.Fprintf(&b, "names %s ", row.Names)
	}
	for i, f := range row.Fields {
		if i > 0 {
			b.WriteString(" | ")
		}
		switch f.Kind {
		case decode.Null:
			b.WriteString("NULL")
		case decode.Number, decode.Float:
			b.Write(f.Value)
		case decode.Instant:
			fmt.Fprintf(&b, "%sZ", f.Value)
		case decode.Bytes, decode.Octets, decode.UUID:
			fmt.Fprintf(&b, "x%x", f.Value)
		case decode.Text:
			fmt.Fprintf(&b, "%q", f.Value)
		}
	}
	return b.String()
}

// sqlRows reads a dump with windows of several sizes, and resumed after every row,
// and wants the same rows of all.
func sqlRows(t *testing.T, dump string) (rows []string, err error) {
	t.Helper()
	for _, size := range []int{256 << 10, 1, 33} {
		var got []string
		var gotErr error
		for r := decode.NewSmallSQL(strings.NewReader(dump), decode.Start{}, size, 0); ; {
			row, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				gotErr = err
				break
			}
			got = append(got, show(row))
			require.Equal(t, int64(1+strings.Count(dump[:row.Offset], "\n")), row.Line)
			require.Equal(t, byte('('), dump[row.Offset])
			require.Equal(t, byte(')'), dump[r.Offset()-1])
			if size == 33 {
				text, err := json.Marshal(r.Resume())
				require.NoError(t, err)
				var at decode.Start
				require.NoError(t, json.Unmarshal(text, &at))
				r = decode.NewSmallSQL(strings.NewReader(dump[at.Offset:]), at, size, 0)
			}
		}
		if size == 256<<10 {
			rows, err = got, gotErr
			continue
		}
		require.Equal(t, rows, got, "window of %d", size)
		require.Equal(t, err, gotErr, "window of %d", size)
	}
	return rows, err
}

func TestSQLValues(t *testing.T) {
	for _, c := range []struct{ literal, want string }{
		{`NULL`, `NULL`},
		{`null`, `NULL`},
		{`TRUE`, `1`},
		{`False`, `0`},
		{`0`, `0`},
		{`-12`, `-12`},
		{`+12`, `+12`},
		{`18446744073709551615`, `18446744073709551615`},
		{`-0.5`, `-0.5`},
		{`.5`, `.5`},
		{`1.`, `1.`},
		{`1.5e-10`, `1.5e-10`},
		{`-1E+300`, `-1E+300`},
		{`''`, `""`},
		{`""`, `""`},
		{`'a''b'`, `"a'b"`},
		{`"a""b'c"`, `"a\"b'c"`},
		{`'a"b'`, `"a\"b"`},
		{`'\0\'\"\b\n\r\t\Z\\\%\_\x'`, `"\x00'\"\b\n\r\t\x1a\\\\%\\_x"`},
		{`'\\'`, `"\\"`},
		{`'),(\'\',;--'`, `"),('',;--"`},
		{"'two\nlines'", `"two\nlines"`},
		{`'日本'`, `"日本"`},
		{`x'41ff'`, `x41ff`},
		{`X''`, `x`},
		{`0x41FF`, `x41ff`},
		{`0xF`, `x0f`},
		{`b'1'`, `x01`},
		{`B'101000001'`, `x0141`},
		{`b''`, `x`},
		{`0b1000001`, `x41`},
		{`_binary 'a\0b'`, `x610062`},
		{`_binary'a'`, `x61`},
		{`_binary "a"`, `x61`},
		{`_binary x'00'`, `x00`},
		{`_BINARY 0x41`, `x41`},
		{`_binary ''`, `x`},
		{`_utf8mb4'é'`, `"é"`},
		{`_utf8mb3 'é'`, `"é"`},
		{`_latin1'` + "\xe9" + `'`, `"é"`},
		{`N'x'`, `"x"`},
		{`CONVERT('{"a": "\\n"}' USING UTF8MB4)`, `"{\"a\": \"\\n\"}"`},
		{`convert( 'x' using utf8mb4 )`, `"x"`},
		{`/* why */ 1 /**/`, `1`},
	} {
		rows, err := sqlRows(t, "INSERT INTO `t` VALUES ("+c.literal+"),( "+c.literal+" ,7,\n"+c.literal+");")
		require.NoError(t, err, c.literal)
		require.Equal(t, []string{c.want, c.want + " | 7 | " + c.want}, rows, c.literal)
	}
}

func TestSQLRefuses(t *testing.T) {
	for _, c := range []struct{ dump, want string }{
		{"INSERT INTO t VALUES\n(1),\n(2,NOW());", `line 3 (byte 29), column 2, value "NOW());": syntax error: a value that is no literal`},
		{"INSERT INTO t (a, `b``c`) VALUES (2,1+1);", "line 1 (byte 37), column b`c, value \"+1);\": syntax error: a value that is no literal"},
		{"INSERT INTO t VALUES (DEFAULT);", `line 1 (byte 22), column 1, value "DEFAULT);": syntax error: a value that is no literal`},
		{"INSERT INTO t VALUES (1 2);", `line 1 (byte 24), column 1, value "2);": syntax error: a value that is no literal`},
		{"INSERT INTO t VALUES (1x);", `line 1 (byte 22), column 1, value "1x);": syntax error: a value that is no literal`},
		{"INSERT INTO t VALUES (-);", `line 1 (byte 22), column 1, value "-);": syntax error: a value that is no literal`},
		{"INSERT INTO t VALUES (1e);", `line 1 (byte 22), column 1, value "1e);": syntax error: a value that is no literal`},
		{"INSERT INTO t VALUES (0xZZ);", `line 1 (byte 22), column 1, value "0xZZ);": syntax error: a value that is no literal`},
		{"INSERT INTO t VALUES (x'123');", `line 1 (byte 22), column 1, value "x'123');": syntax error: an odd number of hexadecimal digits`},
		{"INSERT INTO t VALUES (b'12');", `line 1 (byte 22), column 1, value "b'12');": syntax error: a value that is no literal`},
		{"INSERT INTO t VALUES (_big5'x');", `line 1 (byte 22), column 1, value "_big5'x');": text in character set big5 cannot be read`},
		{"SET NAMES gbk; INSERT INTO t VALUES ('a'),('\xd6\xd0');", `line 1 (byte 43), column 1, value "\xd6\xd0": text in character set gbk cannot be read`},
		{"INSERT INTO t VALUES (1", `line 1 (byte 23): syntax error: premature EOF`},
		{"INSERT INTO t VALUES (1,", `line 1 (byte 24): syntax error: premature EOF`},
		{"INSERT INTO t VALUES ('a", `line 1 (byte 24): syntax error: premature EOF`},
		{"INSERT INTO t VALUES ('a\\", `line 1 (byte 25): syntax error: premature EOF`},
		{"INSERT INTO t VALUES (1),", `line 1 (byte 25): syntax error: premature EOF`},
		{"INSERT INTO t VALUES", `line 1 (byte 20): syntax error: premature EOF`},
		{"INSERT INTO `t", "line 1 (byte 12): syntax error: unexpected \"`t\", expecting a name"},
		{"INSERT INTO t SELECT 1;", `line 1 (byte 14): syntax error: unexpected "SELECT 1;", expecting VALUES`},
		{"INSERT INTO t SET a=1;", `line 1 (byte 14): syntax error: unexpected "SET a=1;", expecting VALUES`},
		{"INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a=1;", "line 1 (byte 25): syntax error: unexpected \"ON DUPLICATE KEY UPDATE a=1;\", expecting `,` or the end of the statement"},
		{"INSERT INTO t VALUES (1)(2);", "line 1 (byte 24): syntax error: unexpected \"(2);\", expecting `,` or the end of the statement"},
		{"CREATE TABLE t (a int DEFAULT 'x", `line 1 (byte 30): syntax error: premature EOF`},
		{"/* no end", `line 1 (byte 0): syntax error: premature EOF`},
	} {
		_, err := sqlRows(t, c.dump)
		require.EqualError(t, err, c.want, c.dump)
	}
}

func TestSQLRowLimit(t *testing.T) {
	dump := "INSERT INTO t VALUES ('" + strings.Repeat("x", 100) + "'),('" + strings.Repeat("x", 101) + "')"
	r := decode.NewSmallSQL(strings.NewReader(dump), decode.Start{}, 16, 104)
	_, err := r.Next()
	require.NoError(t, err)
	_, err = r.Next()
	require.ErrorIs(t, err, decode.ErrRowTooLong)
}

func TestSQLStatements(t *testing.T) {
	for _, c := range []struct {
		name, dump string
		want       []string
	}{
		{"nothing", "", nil},
		{"no rows", "-- nothing here\n;;\n", nil},
		{"byte order mark", "\ufeffINSERT INTO t VALUES (1)", []string{"1"}},
		{"no rows in a row", "INSERT INTO t VALUES (),( )", []string{"", ""}},
		{"replace", "REPLACE INTO t VALUES (1);replace t value(2)", []string{"1", "2"}},
		{"modifiers", "INSERT  IGNORE INTO t VALUES (1);INSERT DELAYED t VALUES (2)", []string{"1", "2"}},
		{"qualified", "INSERT INTO `a``b`.`c` (`x`,\"y\",z) VALUES (1);INSERT INTO a.C() VALUES (2)", []string{"(x,y,z) 1", "2"}},
		{"a column list each", "INSERT INTO t (a) VALUES (1),(2);INSERT INTO t VALUES (3);INSERT INTO t (b) VALUES (4);", []string{"(a) 1", "(a) 2", "3", "(b) 4"}},
		{"comments", "# one\n-- two '\n--\n/* three ; ' */INSERT/**/INTO t VALUES/*!*/(1) -- four\n, # five\n(2)/* six */;", []string{"1", "2"}},
		{"in a conditional comment", "/*!40000 INSERT INTO t VALUES (1) */;", []string{"1"}},
		{"strings elsewhere", "CREATE TABLE `t;'` (a int COMMENT 'it''s; INSERT INTO t VALUES (9);', b int DEFAULT \"\\\";\");INSERT INTO t VALUES (1);", []string{"1"}},
		{"sandbox", "/*M!999999\\- enable the sandbox mode */ \nINSERT INTO t VALUES (1);", []string{"1"}},
		{"time zone", "SET @OLD_TIME_ZONE=@@TIME_ZONE;INSERT INTO t VALUES (0);/*!40103 SET TIME_ZONE='+00:00' */;INSERT INTO t VALUES (1);SET TIME_ZONE=@OLD_TIME_ZONE;INSERT INTO t VALUES (2);", []string{"0", "zone +00:00 1", "2"}},
		{"names", "/*!40101 SET NAMES binary*/;INSERT INTO t VALUES ('\xff');SET NAMES latin1;INSERT INTO t VALUES ('\xe9');SET NAMES DEFAULT;INSERT INTO t VALUES (1);", []string{`names binary "\xff"`, `names latin1 "é"`, "1"}},
		{"no backslash", `SET sql_mode='ANSI,NO_BACKSLASH_ESCAPES';INSERT INTO t VALUES ('\'),('a\n');SET SQL_MODE=@OLD_SQL_MODE;INSERT INTO t VALUES ('\n');`, []string{`"\\"`, `"a\\n"`, `"\n"`}},
		{"trigger", `DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=` + "`root`@`%`" + `*/ /*!50003 TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN
  -- it's
  INSERT INTO log VALUES (1); /* ' */
END */;;
DELIMITER ;
INSERT INTO t VALUES (2);
delimiter //
CREATE PROCEDURE p() BEGIN SELECT 1; INSERT INTO t VALUES (3); END//
INSERT INTO t VALUES (4)//
`, []string{"2", "4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, err := sqlRows(t, c.dump)
			require.NoError(t, err)
			require.Equal(t, c.want, rows)
		})
	}
}

// TestSQLReadsWhatIsWritten writes rows of all kinds as dump tools do.
func TestSQLReadsWhatIsWritten(t *testing.T) {
	escape := strings.NewReplacer("\x00", `\0`, "'", `\'`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\x1a", `\Z`, `\`, `\\`)
	rapid.Check(t, func(t *rapid.T) {
		var dump bytes.Buffer
		var want []string
		for range rapid.IntRange(0, 3).Draw(t, "statements") {
			dump.WriteString(rapid.SampledFrom([]string{"INSERT INTO `t` VALUES ", "\nREPLACE INTO `t`  VALUES\n", "-- '\nINSERT INTO t VALUES"}).Draw(t, "head"))
			for i := range rapid.IntRange(1, 4).Draw(t, "rows") {
				if i > 0 {
					dump.WriteString(rapid.SampledFrom([]string{",", ",\n", " , "}).Draw(t, "between"))
				}
				var row decode.Row
				dump.WriteString("(")
				for j := range rapid.IntRange(1, 4).Draw(t, "fields") {
					if j > 0 {
						dump.WriteString(",")
					}
					value := rapid.SliceOfN(rapid.SampledFrom([]byte("ab'\"\\\n\r\x00\x1a%,();\xc3\xa9")), 0, 12).Draw(t, "value")
					kind := rapid.SampledFrom([]decode.Kind{decode.Null, decode.Number, decode.Text, decode.Bytes}).Draw(t, "kind")
					switch kind {
					case decode.Null:
						dump.WriteString("NULL")
					case decode.Number:
						value = []byte(fmt.Sprint(rapid.Int64().Draw(t, "number")))
						dump.Write(value)
					case decode.Text:
						if rapid.Bool().Draw(t, "doubled") {
							fmt.Fprintf(&dump, "'%s'", strings.NewReplacer("'", "''", `\`, `\\`).Replace(string(value)))
						} else {
							fmt.Fprintf(&dump, "'%s'", escape.Replace(string(value)))
						}
					case decode.Bytes:
						if len(value) > 0 && rapid.Bool().Draw(t, "hex") {
							fmt.Fprintf(&dump, "0x%X", value)
						} else {
							fmt.Fprintf(&dump, "_binary '%s'", escape.Replace(string(value)))
						}
					}
					row.Fields = append(row.Fields, decode.Field{Kind: kind, Value: value})
				}
				dump.WriteString(")")
				want = append(want, show(row))
			}
			dump.WriteString(";\n")
		}
		file := dump.Bytes()
		at, size := decode.Start{}, rapid.IntRange(1, 200).Draw(t, "window")
		var got []string
		for r := decode.NewSmallSQL(bytes.NewReader(file), at, size, 0); ; {
			row, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			got = append(got, show(row))
			if rapid.Bool().Draw(t, "resume") {
				r = decode.NewSmallSQL(bytes.NewReader(file[r.Offset():]), r.Resume(), size, 0)
			}
		}
		require.Equal(t, want, got)
	})
}

// sqlSpeeds are rows of extended inserts.
var sqlSpeeds = []struct{ name, row string }{
	{"plain", "(%d,'some name here','2026-11-21 14:24:30',1234.56,'a remark of some length that nobody reads',NULL,7,'end')"},
	{"escaped", `(%d,'some \'name\' here','2026-11-21 14:24:30',1234.56,'a remark of some length\nthat nobody reads',NULL,7,'end')`},
	{"hex", "(%d,'some name here',0x0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF,_binary 'a remark of some length',7)"},
}

func inserts(row string, size int) []byte {
	var b bytes.Buffer
	for i := 1; b.Len() < size; i++ {
		sep := ","
		if i%5000 == 1 {
			sep = "INSERT INTO `t` VALUES "
			if i > 1 {
				sep = ";\nINSERT INTO `t` VALUES "
			}
		}
		b.WriteString(sep)
		fmt.Fprintf(&b, row, i)
	}
	return b.Bytes()
}

func BenchmarkSQL(b *testing.B) {
	for _, s := range sqlSpeeds {
		b.Run(s.name, func(b *testing.B) {
			file := inserts(s.row, 8<<20)
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				drain(b, decode.NewSQL(bytes.NewReader(file), decode.Start{}, decode.Server{}, decode.Limits{}))
			}
		})
	}
}

func TestSQLDoesNotAllocate(t *testing.T) {
	for _, s := range sqlSpeeds {
		t.Run(s.name, func(t *testing.T) {
			requireNoAllocations(t, decode.NewSQL(bytes.NewReader(inserts(s.row, 1<<20)), decode.Start{}, decode.Server{}, decode.Limits{}), 4000)
		})
	}
}
