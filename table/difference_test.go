package table_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/server"
	"dxfproxy/table"
)

// define is the definition of a table of the session's schema.
func define(t *testing.T, s *server.Session, schema, name string) table.Definition {
	t.Helper()
	text, err := table.ShowCreate(t.Context(), s, schema, name)
	require.NoError(t, err)
	d, err := table.Parse(text)
	require.NoError(t, err, text)
	return d
}

const plainTable = "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(20) DEFAULT 'x', c TEXT, KEY ka (a), KEY kb (b)) DEFAULT CHARSET=utf8mb4"

// TestDifference: the clauses that are made of the definitions before and after a
// statement do the same as the statement.
func TestDifference(t *testing.T) {
	for _, c := range []struct {
		create, alter string
		renamed       map[string]string
		clauses       string // joined with "; "; not compared where empty
		only          string
	}{
		{alter: "ADD INDEX i (a, b(3))", clauses: "ADD KEY `i` (`a`,`b`(3))"},
		{alter: "ADD UNIQUE i (a) COMMENT 'it''s \\\\ \"x\" `y` */ -- é'"},
		{alter: "ADD FULLTEXT i (b), ADD INDEX `a``b` (a)"},
		{alter: "DROP INDEX ka, ADD INDEX (b, a)"},
		{alter: "RENAME INDEX ka TO kz, ADD INDEX i (a, b)", clauses: "RENAME INDEX `ka` TO `kz`; ADD KEY `i` (`a`,`b`)"},
		{alter: "DROP INDEX ka, ADD UNIQUE ka (a, b)"},
		{alter: "ADD COLUMN d INT, ADD INDEX i (d)", clauses: "ADD COLUMN `d` int(11) DEFAULT NULL; ADD KEY `i` (`d`)", only: "MariaDB"},
		{alter: "ADD COLUMN d INT FIRST, ADD COLUMN e DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP AFTER a, ADD COLUMN f BIT(3) DEFAULT b'101' AFTER e"},
		{alter: "DROP COLUMN c, DROP COLUMN a, ADD INDEX i (b, id)"},
		{alter: "MODIFY a BIGINT NOT NULL DEFAULT 7 COMMENT 'DEFAULT (1)'"},
		{alter: "MODIFY a BIGINT AFTER c, MODIFY b VARCHAR(30) FIRST, ADD COLUMN z INT AFTER id"},
		{alter: "CHANGE a aa INT, CHANGE b a VARCHAR(20) DEFAULT 'x'", renamed: map[string]string{"a": "aa", "b": "a"}},
		{alter: "RENAME COLUMN a TO b, RENAME COLUMN b TO a", renamed: map[string]string{"a": "b", "b": "a"},
			clauses: "RENAME COLUMN `a` TO `b`; RENAME COLUMN `b` TO `a`", create: "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(3))"},
		{alter: "RENAME COLUMN a TO b2, ADD INDEX i (b2) COMMENT '`a`'", renamed: map[string]string{"a": "b2"},
			clauses: "RENAME COLUMN `a` TO `b2`; ADD KEY `i` (`b2`) COMMENT '`a`'"},
		{alter: "RENAME COLUMN a TO A2, DROP COLUMN c, ADD COLUMN c INT", renamed: map[string]string{"a": "A2"}},
		{alter: "ALTER b SET DEFAULT 'y''z\\\\'"},
		{alter: "ALTER a DROP DEFAULT, ADD INDEX i (a)", only: "MariaDB"}, // in MySQL no definition says so
		{alter: "ADD PRIMARY KEY (a, b)", create: "CREATE TABLE t (a INT, b VARCHAR(20) DEFAULT 'x', c INT)"},
		{alter: "DROP PRIMARY KEY, ADD PRIMARY KEY (a), MODIFY a INT NOT NULL"},
		{alter: "ADD CHECK (a > 0), ADD CONSTRAINT pos CHECK (a < 10)", only: "MariaDB"}, // MySQL: names are the schema's
		{alter: "COMMENT 'the ''table''', ADD INDEX i (a)", clauses: "ADD KEY `i` (`a`); COMMENT='the ''table'''"},
		{alter: "COMMENT ''", create: strings.Replace(plainTable, "DEFAULT CHARSET", "COMMENT 'was' DEFAULT CHARSET", 1)},
		{alter: "AUTO_INCREMENT = 77, ADD INDEX i (b)", create: "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, b INT)", clauses: "ADD KEY `i` (`b`); AUTO_INCREMENT=77"},
		{alter: "ADD COLUMN g INT AS (a + 1) VIRTUAL, ADD COLUMN h INT AS (LENGTH(c)) STORED, ADD INDEX i (g)"},
		{alter: "ADD INDEX i ((a + 1))", only: "MySQL"},
		{alter: "ADD INDEX i (a DESC)"},
		{alter: "ALTER INDEX ka IGNORED, ADD INDEX i (b, a)", only: "MariaDB"},
		{alter: "ALTER INDEX ka INVISIBLE, ADD INDEX i (b, a)", only: "MySQL"},
	} {
		if absent(c.only) {
			continue
		}
		t.Run(c.alter, func(t *testing.T) {
			if c.create == "" {
				c.create = plainTable
			}
			schema, s := setup(t, c.create)
			source := define(t, s, schema, "t")
			exec(t, s, "CREATE TABLE u LIKE t")
			before := define(t, s, schema, "u")
			exec(t, s, "ALTER TABLE u "+c.alter)
			target := define(t, s, schema, "u")
			clauses, err := table.Difference(before, target, c.renamed)
			require.NoError(t, err)
			if c.clauses != "" {
				require.Equal(t, c.clauses, strings.Join(clauses, "; "))
			}
			exec(t, s, table.Alter{Changes: clauses}.Of(schema, "t"))
			now := define(t, s, schema, "t")
			require.True(t, table.Same(target, now), "%v\n%v\n%v\n%v", source, target, now, clauses)
			require.Equal(t, target.AutoIncrement, now.AutoIncrement)
		})
	}
}

// TestDifferenceReachesNowhereElse: what could reach for another table is not
// made into a clause.
func TestDifferenceReachesNowhereElse(t *testing.T) {
	for _, c := range []struct{ alter, only string }{
		{"ENGINE=MyISAM", ""},
		{"ROW_FORMAT=COMPACT", ""},
		{"PARTITION BY HASH (id) PARTITIONS 2", ""},
		{"DEFAULT CHARACTER SET latin1", ""}, // looks as CONVERT TO does
		{"CONVERT TO CHARACTER SET latin1", ""},
		{"ADD COLUMN z INT DEFAULT NEXTVAL(sq)", "MariaDB"},
		{"ADD COLUMN z INT DEFAULT (1 + NEXT VALUE FOR sq)", "MariaDB"},
		{"MODIFY a INT DEFAULT (NEXTVAL(sq))", "MariaDB"},
		{"ADD COLUMN z VARCHAR(99) DEFAULT (CONCAT('a', UUID()))", ""},
		{"ADD FOREIGN KEY (a) REFERENCES p (id)", ""},
		{"ADD SYSTEM VERSIONING", "MariaDB"},
		{"DATA DIRECTORY='/tmp'", "MySQL"},
	} {
		if absent(c.only) {
			continue
		}
		t.Run(c.alter, func(t *testing.T) {
			schema, s := setup(t, plainTable, "CREATE TABLE p (id INT PRIMARY KEY)")
			if strings.Contains(c.alter, "sq") {
				exec(t, s, "CREATE SEQUENCE sq")
			}
			source := define(t, s, schema, "t")
			if _, err := s.ExecContext(t.Context(), "ALTER TABLE t "+c.alter); err != nil {
				t.Logf("the server itself refuses it: %v", err)
				return
			}
			target := define(t, s, schema, "t")
			if c.alter == "DATA DIRECTORY='/tmp'" && table.Same(source, target) {
				return // the server passes it over
			}
			clauses, err := table.Difference(source, target, nil)
			require.ErrorIs(t, err, table.ErrDifference, "%v", clauses)
		})
	}
}

// TestIdentity: a table keeps its identity as long as it is the same, under
// whatever name, and shares it with no other.
func TestIdentity(t *testing.T) {
	for _, name := range []string{"t", "t#1 $x", "tü"} {
		t.Run(name, func(t *testing.T) {
			q := server.Quote(name)
			schema, s := setup(t, "CREATE TABLE "+q+" (id INT PRIMARY KEY, a INT)", "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3")
			id := func(name string) string {
				t.Helper()
				id, err := table.Identity(t.Context(), s, schema, name)
				require.NoError(t, err)
				return id
			}
			first := id(name)
			require.NotEmpty(t, first)
			require.NotEmpty(t, id("parts"))
			require.NotEqual(t, first, id("parts"))
			exec(t, s, "INSERT INTO "+q+" VALUES (1, 1)")
			exec(t, s, "ALTER TABLE "+q+" ADD COLUMN z INT, ALGORITHM=INSTANT")
			exec(t, s, "ALTER TABLE "+q+" COMMENT 'x'")
			if strings.HasPrefix(first, "created ") {
				return // to the second: what follows is faster
			}
			require.Equal(t, first, id(name))
			exec(t, s, "RENAME TABLE "+q+" TO other")
			require.Equal(t, first, id("other"))
			require.Empty(t, id(name))
			exec(t, s, "CREATE TABLE "+q+" LIKE other")
			require.NotEqual(t, first, id(name))
			exec(t, s, "DROP TABLE other")
		})
	}
}

// TestValueMode: nothing that changes how a text is read comes through.
func TestValueMode(t *testing.T) {
	require.Equal(t, "STRICT_TRANS_TABLES,NO_ZERO_DATE", table.ValueMode("ANSI_QUOTES,STRICT_TRANS_TABLES,no_backslash_escapes,PIPES_AS_CONCAT,no_zero_date,ORACLE,x'"))
	require.Empty(t, table.ValueMode(""))
}

func TestAlterOf(t *testing.T) {
	a := table.Alter{Changes: []string{"ADD KEY `i` (`a`)", "DROP INDEX `k`"}, Ignore: true, Algorithm: "INPLACE", Lock: "NONE, RENAME TO x"}
	require.Equal(t, "ALTER IGNORE TABLE `s`.`t``x` ADD KEY `i` (`a`), DROP INDEX `k`, ALGORITHM=INPLACE", a.Of("s", "t`x"))
}

// TestTrustComments: what the server takes for the end of a comment may stand in a
// text of the user's. Such a line is not executed: it stays, or the change is refused.
func TestTrustComments(t *testing.T) {
	const head, tail = "CREATE TABLE `t` (\n  `a` int(11) DEFAULT NULL,\n", "\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
	parse := func(lines string) table.Definition {
		d, err := table.Parse(head + lines + tail)
		require.NoError(t, err)
		return d
	}
	for line, want := range map[string]bool{
		"KEY `k` (`a`) /* `foo`='*/, RENAME TO `v`.`t` -- ' */":          false,
		"KEY `k` (`a`) /* `foo*/, RENAME TO v.t, `='x' */":               false,
		"KEY `k` (`a`) /*!99990 SECONDARY_ENGINE='*/, RENAME TO v.t' */": false,
		"KEY `k` (`a`) /*!80021 ENGINE_ATTRIBUTE '*/' */":                false,
		"KEY `k` (`a`) COMMENT '*/, /* -- #;' /*!80000 INVISIBLE */":     true,
		"KEY `k` (`a`) COMMENT 'x' /* `foo`='y' */":                      true,
		"KEY `a */` (`a`)": true,
	} {
		bare, with := parse("  KEY `z` (`a`)"), parse("  KEY `z` (`a`),\n  "+line)
		_, err := table.Difference(bare, with, nil)
		if want {
			require.NoError(t, err, line)
		} else {
			require.ErrorIs(t, err, table.ErrDifference, line)
		}
		stay, build, ok := table.Indexes(with, with, &table.Key{}, "")
		require.True(t, ok)
		built := want && !strings.Contains(line, "`foo`=") // an option in a comment is lost when the index is built
		require.Equal(t, built, len(build) == 2 && len(stay) == 0, line)
		require.Equal(t, want, len(table.AddIndexes("s", "t", []string{line})) == 1, line)
	}
}
