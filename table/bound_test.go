package table

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func definitionOf(t *testing.T, columns string) Definition {
	t.Helper()
	d, err := Parse("CREATE TABLE `t` (\n" + columns + "\n) ENGINE=InnoDB")
	require.NoError(t, err)
	return d
}

const boundColumns = "`id` int(11) NOT NULL, `a` int(11) DEFAULT NULL, `u` int(10) unsigned DEFAULT NULL, `b` varchar(9) DEFAULT 'x, y', `dt` datetime DEFAULT NULL, `ts` timestamp NULL DEFAULT NULL"

func TestAlike(t *testing.T) {
	columns := readColumns(definitionOf(t, boundColumns))
	for expression, want := range map[string]bool{
		"(`a` + 1)": true, "(`a` - 1)": true, "(`u` - `a`)": false, "((`a` / 2))": false, "(`a` DIV 2)": true, "(concat(`b`,_utf8mb4'/`ts`'))": true,
		"(cast(`dt` as date))": true, "(cast(`ts` as date))": false, "(week(`dt`))": false, "(week(`dt`,3))": false, "(monthname(`dt`))": false,
		"(date_format(`dt`,_utf8mb4'%M'))": false, "(json_unquote(json_extract(`b`,_utf8mb4'$.x')))": true, "(`nobody`)": false,
		"(case when `a` > 0x1f then 1e3 else `a` end)": true, "(`b` like 'x')": false, "(convert(`b` using latin1))": true,
	} {
		require.Equal(t, want, alike(expression, columns), expression)
	}
}

func TestSessionBound(t *testing.T) {
	for add, want := range map[string]bool{
		", KEY `i` (`a`)": false,
		", `n` timestamp NOT NULL DEFAULT '2020-01-01 12:00:00'":                    false,
		", `n` timestamp NOT NULL DEFAULT current_timestamp()":                      false,
		", `n` datetime DEFAULT current_timestamp()":                                true,
		", `n` datetime DEFAULT NULL ON UPDATE current_timestamp()":                 false,
		", `g` date GENERATED ALWAYS AS (cast(`ts` as date)) STORED":                true,
		", `g` date GENERATED ALWAYS AS (cast(`dt` as date)) STORED":                false,
		", `g` date GENERATED ALWAYS AS (cast(`ts` as date)) VIRTUAL":               false,
		", `g` date GENERATED ALWAYS AS (cast(`ts` as date)) VIRTUAL, KEY (`g`)":    true,
		", `n` int(11) DEFAULT 1 CHECK (`n` / 2 > 1)":                               true,
		", CONSTRAINT `c` CHECK (cast(`ts` as date) > 5)":                           true,
		", KEY `f` ((`a` / 2))":                                                     true,
		", KEY `f` ((`a` + 2))":                                                     false,
		", `n` varchar(99) DEFAULT 'current_timestamp' COMMENT 'AS (x / 2) STORED'": false,
	} {
		require.Equal(t, want, SessionBound(definitionOf(t, boundColumns), definitionOf(t, boundColumns+add)), add)
	}
	kept := boundColumns + ", `g` date GENERATED ALWAYS AS (cast(`ts` as date)) STORED"
	require.False(t, SessionBound(definitionOf(t, kept), definitionOf(t, kept+", KEY `i` (`a`)")), "it keeps its values")
	require.True(t, SessionBound(definitionOf(t, kept), definitionOf(t, kept+", `n` int(11) DEFAULT NULL")), "they may be made anew")
}
