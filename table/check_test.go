package table_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
	"dxfproxy/server"
	"dxfproxy/table"
)

// good are the settings that the tests' server has.
func good() server.Settings {
	s := server.Settings{LogBin: true, Snapshots: true, Format: "ROW", RowImage: "FULL", SlaveGrant: true, StatusGrant: true}
	if srv.Kind() == mariadbd.MySQL {
		s.Family, s.Threads = server.MySQL, true
	}
	return s
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		statements []string
		alter      string
		settings   func(*server.Settings)
		want       table.Reason
		only       string // the family whose servers have such tables, or treat them so
	}{
		"fine":             {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT)"}},
		"engine":           {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT) ENGINE=MyISAM"}, want: "its storage engine is MyISAM"},
		"versioned":        {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT) WITH SYSTEM VERSIONING"}, want: "it is system-versioned", only: "MariaDB"},
		"compressed":       {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT, c TEXT COMPRESSED)"}, want: "column c is compressed", only: "MariaDB"},
		"JSON":             {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT, j JSON)"}, want: "column j is JSON", only: "MySQL"},
		"CHECK":            {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT)"}, alter: "ALTER TABLE t ADD CHECK (a > 0)", want: "it has a CHECK constraint", only: "MySQL"},
		"no key":           {statements: []string{"CREATE TABLE t (id INT, a INT)"}, want: "it has no primary key or NOT NULL unique key that rows can be copied by"},
		"trigger":          {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT)", "CREATE TRIGGER tr AFTER DELETE ON t FOR EACH ROW SET @x = 1"}, want: "it has trigger tr"},
		"child":            {statements: []string{"CREATE TABLE p (id INT PRIMARY KEY)", "CREATE TABLE t (id INT PRIMARY KEY, a INT, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id))"}, want: "it has foreign key f"},
		"cascade":          {statements: []string{"CREATE TABLE p (id INT PRIMARY KEY)", "CREATE TABLE t (id INT PRIMARY KEY, a INT, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id) ON DELETE SET NULL)"}, want: "foreign key f changes rows (set null) without a trace in the binlog"},
		"parent":           {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT)", "CREATE TABLE c (id INT PRIMARY KEY, CONSTRAINT f FOREIGN KEY (id) REFERENCES t (id))"}, want: "foreign key f of S.c refers to it"},
		"key changed":      {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT NOT NULL)"}, alter: "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (a)", want: "key PRIMARY, by which rows are copied, is changed"},
		"key added":        {statements: []string{"CREATE TABLE t (id INT NOT NULL UNIQUE, a INT NOT NULL)"}, alter: "ALTER TABLE t ADD PRIMARY KEY (a)", want: "a primary key is added"},
		"key renamed":      {statements: []string{"CREATE TABLE t (id INT NOT NULL, a INT, UNIQUE u (id))"}, alter: "ALTER TABLE t DROP INDEX u, ADD PRIMARY KEY (id), ADD INDEX (a)"},
		"type":             {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT)"}, alter: "ALTER TABLE t MODIFY a CHAR(9), ADD INDEX (a)", want: "column a is changed"},
		"charset":          {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a CHAR(9)) CHARSET=latin1"}, alter: "ALTER TABLE t CONVERT TO CHARACTER SET utf16, ADD INDEX (a)", want: "the character set is changed"},
		"collation":        {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a CHAR(9)) CHARSET=latin1"}, alter: "ALTER TABLE t CONVERT TO CHARACTER SET latin1 COLLATE latin1_bin, ADD INDEX (a)", want: "the character set is changed", only: "MariaDB"},
		"collation, MySQL": {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a CHAR(9)) CHARSET=latin1"}, alter: "ALTER TABLE t CONVERT TO CHARACTER SET latin1 COLLATE latin1_bin, ADD INDEX (a)", want: "column a is changed", only: "MySQL"},
		"no binlog":        {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT)"}, settings: func(s *server.Settings) { s.LogBin = false }, want: "the server keeps no binlog (log_bin is OFF)"},
		"snapshots":        {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT)"}, settings: func(s *server.Settings) { s.Snapshots = false }, want: "the server does not tell the binlog position of a snapshot (status variable binlog_snapshot_position)", only: "MariaDB"},
		"snapshots, MySQL": {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT)"}, settings: func(s *server.Settings) { s.Snapshots = false }, want: "transactions become visible in another order than the binlog's (binlog_order_commits is OFF)", only: "MySQL"},
		"format":           {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT)"}, settings: func(s *server.Settings) { s.Format = "MIXED" }, want: "binlog_format is MIXED, not ROW"},
		"image":            {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT)"}, settings: func(s *server.Settings) { s.RowImage = "MINIMAL" }, want: "binlog_row_image is MINIMAL, not FULL"},
		"grant":            {statements: []string{"CREATE TABLE t (id INT PRIMARY KEY, a INT)"}, settings: func(s *server.Settings) { s.SlaveGrant = false }, want: "the store's account has no REPLICATION SLAVE"},
	} {
		if absent(c.only) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			schema, s := setup(t, c.statements...)
			info, err := table.Load(t.Context(), s, schema, "t")
			require.NoError(t, err)
			if c.alter == "" {
				c.alter = "ALTER TABLE t ADD INDEX (a)"
			}
			if name != "versioned" {
				exec(t, s, c.alter)
			}
			settings := good()
			if c.settings != nil {
				c.settings(&settings)
			}
			if name == "parent" {
				c.want = table.Reason("foreign key f of " + schema + ".c refers to it")
			}
			require.Equal(t, c.want, table.Check(info, definition(t, s, schema, "t"), table.Conditions{Settings: settings}))
		})
	}
}

func TestSettings(t *testing.T) {
	_, s := setup(t)
	got, err := server.LoadSettings(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, good(), got)
	p, err := server.BinlogEnd(t.Context(), s)
	require.NoError(t, err)
	require.NotEmpty(t, p.File)
	require.NotZero(t, p.Pos)
}
