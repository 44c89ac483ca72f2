package dxftest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestS35DefaultsOfShortRows: where a row of a file is too short the server puts the
// column's default in, and its text, in which quotes are written in a way of their own,
// is in no statement of ours.
func TestS35DefaultsOfShortRows(t *testing.T) {
	v := newTrust(t, 1)
	im := &importer{house: v.house, dir: t.TempDir()}
	path := im.file("rows.csv", "1\n")
	for _, local := range []string{"ON", "OFF"} {
		execute(t, v.direct, "SET GLOBAL local_infile = "+local)
		for _, def := range []string{
			"CONCAT('it''s', 1)", `CONCAT('a\\', 'b"')`,
			"CONCAT('x'', (SELECT GROUP_CONCAT(pw) FROM " + v.victim + ".secret)))) -- ', 'b')",
			"CONCAT('x'', (SELECT GROUP_CONCAT(pw) FROM " + v.victim + ".secret), ''', 'b')",
		} {
			execute(t, v.direct, "DROP TABLE IF EXISTS load_t")
			execute(t, v.direct, "CREATE TABLE load_t (id INT PRIMARY KEY, s VARCHAR(4000) DEFAULT ("+def+"), n INT DEFAULT 7)")
			execute(t, v.direct, "INSERT INTO load_t (id) VALUES (1)")
			want := im.list("SELECT * FROM load_t")
			execute(t, v.direct, "DELETE FROM load_t")
			im.load(0, "IMPORT INTO load_t FROM '"+path+"'")
			require.Equal(t, want, im.list("SELECT * FROM load_t"), def)
		}
	}
}

// TestS36WhatASessionSets: an account stays what it is, whatever its session lets the
// store answer.
func TestS36WhatASessionSets(t *testing.T) {
	v := newTrust(t, 1)
	im := &importer{house: v.house, dir: t.TempDir()}
	path := im.file("rows.csv", "1,1\n")
	execute(t, v.direct, "GRANT FILE ON *.* TO hack@'%'")
	for _, set := range []string{"sql_select_limit = 0", "character_set_results = swe7", "character_set_results = utf16", "character_set_results = NULL"} {
		execute(t, v.direct, "DROP TABLE IF EXISTS load_t")
		execute(t, v.direct, "CREATE TABLE load_t (id INT PRIMARY KEY, a INT)")
		s := v.session(0, "hack")
		v.run(s, "SET "+set)
		_, _ = s.ExecContext(t.Context(), "ALTER TABLE load_t ADD INDEX i (a)")
		_, _ = s.ExecContext(t.Context(), "IMPORT INTO load_t FROM '"+path+"'")
		s.Close()
		require.Zero(t, scan[int](t, v.direct, "SELECT COUNT(*) FROM `"+v.meta+"`.tidb_import_jobs WHERE created_by <> 'hack@%'"), set)
		for _, tasks := range []string{"tidb_global_task", "tidb_global_task_history"} {
			require.Zero(t, scan[int](t, v.direct, "SELECT COUNT(*) FROM `"+v.meta+"`."+tasks+` WHERE CONVERT(meta USING utf8mb4) NOT LIKE '%"user":"hack@|%"%' ESCAPE '|'`), set)
		}
	}
}

// TestS36NamesInGrants: a column's name is no privilege, whatever character set the
// session is answered in.
func TestS36NamesInGrants(t *testing.T) {
	v := newTrust(t, 1)
	const column = "`a), SUPER ON *.* TO x`"
	execute(t, v.direct, "CREATE TABLE k (id INT, "+column+" INT)")
	execute(t, v.direct, "GRANT SELECT ("+column+") ON "+v.schema+".k TO hack@'%'")
	for _, set := range []string{"swe7", "utf16", "gbk", "sjis", "latin1", "NULL"} {
		s := v.session(0, "hack")
		v.run(s, "SET character_set_results = "+set)
		_, err := s.ExecContext(t.Context(), "SET GLOBAL tidb_ddl_reorg_batch_size = 300")
		require.ErrorContains(t, err, "1227", set)
		s.Close()
	}
	s := v.session(0, "")
	v.run(s, "SET NAMES gbk", "SET GLOBAL tidb_ddl_reorg_batch_size = 300", "SET GLOBAL tidb_ddl_reorg_batch_size = DEFAULT")
}

// TestS37NamesInOtherCharacters: an import is not asked about in a session that would
// read other names than we write.
func TestS37NamesInOtherCharacters(t *testing.T) {
	v := newTrust(t, 1)
	im := &importer{house: v.house, dir: t.TempDir()}
	path := im.file("rows.csv", "1,1\n")
	execute(t, v.direct, "CREATE TABLE "+v.victim+".cn (id INT PRIMARY KEY, `名字一` INT, `一` INT)")
	execute(t, v.direct, "GRANT SELECT, DELETE, ALTER ON "+v.victim+".cn TO hack@'%'")
	execute(t, v.direct, "GRANT FILE ON *.* TO hack@'%'")
	for _, charset := range []string{"gbk", "sjis", "big5", "latin1", "utf8mb4"} {
		for _, limit := range []string{"DEFAULT", "0"} {
			s := v.session(0, "hack")
			v.run(s, "SET NAMES "+charset, "SET sql_select_limit = "+limit)
			_, err := im.ask(s, "IMPORT INTO "+v.victim+".cn FROM '"+path+"'")
			require.Error(t, err, charset)
			s.Close()
			require.Zero(t, scan[int](t, v.direct, "SELECT COUNT(*) FROM `"+v.meta+"`.tidb_import_jobs"), charset)
		}
	}
}
