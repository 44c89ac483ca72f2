package table_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/server"
	"dxfproxy/table"
)

func definition(t *testing.T, s *server.Session, schema, name string) table.Definition {
	t.Helper()
	text, err := table.ShowCreate(t.Context(), s, schema, name)
	require.NoError(t, err)
	d, err := table.Parse(text)
	require.NoError(t, err, text)
	return d
}

func TestParseAwkwardNames(t *testing.T) {
	schema, s := setup(t, "CREATE TABLE `a``(b` (`x,y` INT COMMENT 'one, (two'' \\\\', `(` VARCHAR(9) DEFAULT ')', `PARTITION BY` INT,"+
		" PRIMARY KEY (`x,y`), UNIQUE KEY `k``(,` (`(`(3),`PARTITION BY`) COMMENT ') ENGINE', KEY `KEY` (`(`),"+
		" CONSTRAINT `c,` CHECK (`(` <> ')' AND `x,y` > 3)) COMMENT='AUTO_INCREMENT=9 PARTITION BY (' ")
	d := definition(t, s, schema, "a`(b")
	require.Equal(t, "a`(b", d.Name)
	require.Equal(t, []string{"x,y", "(", "PARTITION BY"}, []string{d.Columns[0].Name, d.Columns[1].Name, d.Columns[2].Name})
	require.Len(t, d.Indexes, 3)
	require.Equal(t, table.UniqueKey, d.Indexes[1].Kind)
	require.Equal(t, "k`(,", d.Indexes[1].Name)
	require.Equal(t, []string{"(", "PARTITION BY"}, d.Indexes[1].Columns())
	require.Equal(t, "KEY", d.Indexes[2].Name)
	require.Len(t, d.Constraints, 1)
	require.Contains(t, d.Options, "AUTO_INCREMENT=9 PARTITION BY (")
	require.Empty(t, d.Partitions)

	exec(t, s, "CREATE TABLE pt (id INT PRIMARY KEY AUTO_INCREMENT) COMMENT 'x' PARTITION BY HASH (id) PARTITIONS 3")
	exec(t, s, "INSERT INTO pt VALUES (9)")
	d = definition(t, s, schema, "pt")
	require.Contains(t, d.Partitions, "PARTITION BY HASH")
	require.NotContains(t, d.Options, "AUTO_INCREMENT")
}

// TestShadow makes the shadow of every kind of change, takes its indexes off,
// puts them back, and demands the definition the store makes of the statement.
func TestShadow(t *testing.T) {
	const base = "CREATE TABLE t (id BIGINT NOT NULL AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(300), f TEXT, p POINT NOT NULL, v INT AS (a + 1) VIRTUAL, PRIMARY KEY (id), KEY ka (a), UNIQUE KEY ub (b(20), a) COMMENT 'it''s')"
	for statement, want := range map[string]struct {
		obstacle string
		instant  bool
		built    int    // indexes to build, existing ones included
		only     string // the family that takes the statement, or its constraint's name twice
	}{
		"ALTER TABLE t ADD INDEX (b)":                                              {built: 3},
		"ALTER TABLE t ADD UNIQUE u1 (a, b), ADD KEY k2 (v) COMMENT 'x'":           {built: 4},
		"CREATE INDEX k ON t (a DESC, b(3))":                                       {built: 3},
		"ALTER TABLE t ADD FULLTEXT (f), ADD SPATIAL INDEX (p)":                    {built: 4},
		"ALTER TABLE t ADD UNIQUE long_u (f)":                                      {built: 3, only: "MariaDB"},
		"ALTER TABLE t ADD COLUMN c INT NOT NULL DEFAULT 7, ADD INDEX (c, a)":      {built: 3},
		"ALTER TABLE t ADD COLUMN c VARCHAR(9) DEFAULT '(x)' FIRST, ADD INDEX (c)": {built: 3},
		"ALTER TABLE t ADD COLUMN c DATETIME DEFAULT NOW(), ADD INDEX (c)":         {obstacle: "column c is to be filled by an expression", built: 3},
		"ALTER TABLE t DROP COLUMN f, ADD INDEX (b)":                               {obstacle: "column f is dropped or renamed", built: 3},
		"ALTER TABLE t CHANGE f g TEXT, ADD INDEX (b)":                             {obstacle: "column f is dropped or renamed", built: 3},
		"ALTER TABLE t MODIFY a BIGINT NOT NULL, ADD INDEX (b)":                    {obstacle: "column a is changed", built: 3},
		"ALTER TABLE t ADD CHECK (a > 0), ADD INDEX (b)":                           {obstacle: "a constraint is added, dropped or changed", built: 3, only: "MariaDB"},
		"ALTER TABLE t PARTITION BY HASH (id)":                                     {obstacle: "the partitioning is changed", built: 2},
		"ALTER TABLE t RENAME INDEX ka TO kb":                                      {instant: true, built: 2},
		"ALTER TABLE t ADD INDEX IF NOT EXISTS ka (a)":                             {instant: true, built: 2, only: "MariaDB"},
		"ALTER TABLE t DROP INDEX ka, ADD INDEX (id, a), AUTO_INCREMENT = 1000":    {built: 2},
	} {
		if absent(want.only) {
			continue
		}
		t.Run(statement, func(t *testing.T) {
			schema, s := setup(t, base)
			if want.obstacle == "the partitioning is changed" {
				exec(t, s, "ALTER TABLE t DROP COLUMN p, DROP INDEX ub, ADD INDEX ub (b)")
			}
			info, err := table.Load(t.Context(), s, schema, "t")
			require.NoError(t, err)
			at := [2]int{12, 13}
			if statement[0] == 'C' {
				at = [2]int{18, 19}
			}
			require.Equal(t, "t", statement[at[0]:at[1]])

			exec(t, s, table.CreateLike(info, "shadow"))
			exec(t, s, statement[:at[0]]+"shadow"+statement[at[1]:])
			target := definition(t, s, schema, "shadow")

			source, err := table.Parse(info.Create)
			require.NoError(t, err)
			change := table.Compare(source, target)
			require.Equal(t, want.obstacle, change.Obstacle)
			require.Equal(t, want.instant, change.Instant)

			stay, build, ok := table.Indexes(source, target, info.CopyKey, "id")
			require.True(t, ok)
			require.Len(t, stay, 1)
			require.Len(t, build, want.built)
			if drop := table.DropIndexes(schema, "shadow", build); drop != "" {
				exec(t, s, drop)
			}
			bare := definition(t, s, schema, "shadow")
			require.Len(t, bare.Indexes, 1)
			require.Equal(t, table.Texts(build), bare.Missing(table.Texts(build)))
			for _, add := range table.AddIndexes(schema, "shadow", table.Texts(build)) {
				exec(t, s, add)
			}
			require.True(t, table.Same(target, definition(t, s, schema, "shadow")))
			exec(t, s, statement)
			require.True(t, table.Same(target, definition(t, s, schema, "t")))
		})
	}
}

func TestAutoIncrementNeedsItsIndex(t *testing.T) {
	for _, c := range []struct {
		keys, alter string
		stays       string // beside the primary key; "" when nothing may
		ahead       bool   // x0 does too, which the server shows before it
	}{
		{keys: "KEY y (n), KEY z (n, a)", alter: "ADD INDEX (a)", stays: "KEY `y` (`n`)"},
		{keys: "KEY y (n)", alter: "ADD UNIQUE INDEX b (n)", stays: "KEY `y` (`n`)"},
		{keys: "KEY y (n, a)", alter: "ADD UNIQUE INDEX b (n, a), DROP INDEX y, ADD INDEX z (n)", stays: "KEY `z` (`n`)", ahead: true},
		{keys: "UNIQUE KEY y (n)", alter: "ADD INDEX b (a)", stays: "UNIQUE KEY `y` (`n`)"},
		{keys: "UNIQUE KEY y (n)", alter: "ADD INDEX b (n)", stays: "KEY `b` (`n`)", ahead: true},
		{keys: "UNIQUE KEY y (n)", alter: "RENAME INDEX y TO x, ADD INDEX (a)", stays: "UNIQUE KEY `x` (`n`)"},
		{keys: "KEY y (n)", alter: "DROP INDEX y, ADD UNIQUE INDEX b (n)"},
		{keys: "UNIQUE KEY y (n, a)", alter: "DROP INDEX y, ADD UNIQUE INDEX b (n)"},
	} {
		t.Run(c.keys+", "+c.alter, func(t *testing.T) {
			schema, s := setup(t, "CREATE TABLE t (k VARCHAR(9) PRIMARY KEY, n INT AUTO_INCREMENT, a INT, "+c.keys+", KEY x0 (a))")
			info, err := table.Load(t.Context(), s, schema, "t")
			require.NoError(t, err)
			require.Equal(t, "n", info.AutoIncrementColumn())
			source, err := table.Parse(info.Create)
			require.NoError(t, err)
			exec(t, s, "ALTER TABLE t "+c.alter)
			target := definition(t, s, schema, "t")
			stay, build, ok := table.Indexes(source, target, info.CopyKey, "n")
			reason := table.Check(info, target, table.Conditions{Settings: good()})
			require.Equal(t, c.stays != "", ok)
			if !ok {
				require.Equal(t, table.Reason("AUTO_INCREMENT column n would have no index but a new unique one"), reason)
				return
			}
			require.Empty(t, reason)
			stays := []string{"PRIMARY KEY (`k`)", c.stays}
			if c.ahead {
				stays = append(stays, "KEY `x0` (`a`)")
			}
			require.Equal(t, stays, table.Texts(stay))
			exec(t, s, table.DropIndexes(schema, "t", build))
		})
	}
}
