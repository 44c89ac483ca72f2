package importinto_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
	"dxfproxy/table"
)

// TestImportKindsOfTables: whatever the table is like, it is like that afterwards.
func TestImportKindsOfTables(t *testing.T) {
	long := strings.Repeat("n", 64)
	_, db := mariadbdtest.Schema(t, srv)
	family, err := server.FamilyOf(t.Context(), db)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		create    string
		direct    bool
		uncounted bool   // on MariaDB it is loaded without its AUTO_INCREMENT
		only      string // the family that has such tables, or that treats them so
	}{
		"no key":              {create: "CREATE TABLE t (id INT, a INT, b VARCHAR(100))"},
		"only unique keys":    {create: "CREATE TABLE t (id INT NOT NULL, a INT, b VARCHAR(100), UNIQUE KEY u2 (id, a), UNIQUE KEY u1 (id), KEY (b(10)))"},
		"partitions":          {create: "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(100), KEY (a)) PARTITION BY HASH (id) PARTITIONS 3"},
		"AUTO_INCREMENT":      {create: "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(100), PRIMARY KEY (a, id), KEY k (id), UNIQUE KEY (id, b)) AUTO_INCREMENT = 7000", uncounted: true},
		"counter, commented":  {create: "CREATE TABLE t (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'no `AUTO_INCREMENT`, ''or', a INT COMMENT ' AUTO_INCREMENT' CHECK (a >= 0), b VARCHAR(100), g INT AS (a + 1) STORED, PRIMARY KEY (id), KEY (a)) ROW_FORMAT = COMPRESSED", only: "MariaDB", uncounted: true},
		"counter, partitions": {create: "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(100), KEY (a)) PARTITION BY HASH (id) PARTITIONS 3"},
		"counter, unique":     {create: "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT UNIQUE, a INT, b VARCHAR(100), KEY (a))", uncounted: true},
		"generated, fulltext": {create: "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(100), g INT AS (a * 2) STORED, v INT AS (a + 1) VIRTUAL, KEY (g), KEY (v), FULLTEXT KEY f1 (b), FULLTEXT KEY f2 (b))"},
		"options":             {create: "CREATE TABLE t (id INT NOT NULL COMMENT 'a, b', a INT, b VARCHAR(100) CHARACTER SET latin1, KEY `we``ird` (a) COMMENT 'x', PRIMARY KEY (id)) COMMENT = 'it''s' ROW_FORMAT = COMPACT"},
		"MyISAM":              {create: "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(100), KEY (a)) ENGINE = MyISAM", direct: true},
		"CHECK, MariaDB":      {create: "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(100), CONSTRAINT pos CHECK (a >= 0), CHECK (id > 0))", only: "MariaDB"},
		"CHECK, MySQL":        {create: "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(100), CONSTRAINT pos CHECK (a >= 0), CHECK (id > 0))", only: "MySQL", direct: true},
		"versions":            {create: "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(100), KEY (a)) WITH SYSTEM VERSIONING", only: "MariaDB", direct: true},
		"invisible":           {create: "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, i INT INVISIBLE DEFAULT 9, a INT, b VARCHAR(100), KEY (i))"},
		long:                  {create: "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(100), " + fmt.Sprintf("KEY `%s` (a))", long)},
	} {
		if c.only != "" && c.only != family.String() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			j := startImport(t, map[string]string{"1.csv": manyRows(100)}, nil, c.create)
			before, err := table.Load(t.Context(), j.DB, j.Schema, "t")
			require.NoError(t, err)
			j.finish()
			require.Equal(t, c.direct, j.meta.Direct, j.meta.Note)
			require.Equal(t, c.uncounted && family == server.MariaDB, j.meta.Uncounted != "")
			require.Equal(t, "100|4950\n", j.rows("SELECT COUNT(*), SUM(a) FROM t"))
			after, err := table.Load(t.Context(), j.DB, j.Schema, "t")
			require.NoError(t, err)
			a, err := table.Parse(before.Create)
			require.NoError(t, err)
			b, err := table.Parse(after.Create)
			require.NoError(t, err)
			require.True(t, table.Same(a, b), "%s\n%s", before.Create, after.Create)
			require.GreaterOrEqual(t, after.AutoIncrement, before.AutoIncrement)
		})
	}
}

// TestImportFormats: every format goes on behind its checkpoints.
func TestImportFormats(t *testing.T) {
	const n = 30_000
	b := strings.Repeat("y", 300)
	var csv, dump bytes.Buffer
	z := gzip.NewWriter(&csv)
	dump.WriteString("SET TIME_ZONE='+00:00';\n")
	var rows []parquetRow
	for i := range n {
		fmt.Fprintf(z, "%d,%d,%s,2020-01-01 02:00:00\n", i+1, i%10, b)
		if i%100 == 0 {
			dump.WriteString("INSERT INTO x (a, id, b, ts) VALUES ")
		}
		fmt.Fprintf(&dump, "(%d,%d,'%s','2020-01-01 00:00:00')%s", i%10, i+1, b, map[bool]string{true: ";\n", false: ","}[i%100 == 99])
		rows = append(rows, parquetRow{ID: int64(i + 1), A: int32(i % 10), B: b, TS: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)})
	}
	require.NoError(t, z.Close())
	var pq bytes.Buffer
	w := parquet.NewGenericWriter[parquetRow](&pq, parquet.MaxRowsPerRowGroup(7000))
	_, err := w.Write(rows)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for name, text := range map[string]string{"1.csv.gz": csv.String(), "1.sql": dump.String(), "1.parquet": pq.String()} {
		t.Run(name, func(t *testing.T) {
			j := startImport(t, map[string]string{name: text}, func(m *importinto.Meta) {
				slowly(m)
				m.Format = strings.Split(name, ".")[1]
			}, "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b TEXT, ts TIMESTAMP NULL, KEY (a))")
			require.NoError(t, j.until(importinto.StepProbe))
			require.True(t, j.next())
			for stops := 0; ; stops++ {
				s := j.Lease()[0]
				ctx, cancel := context.WithCancelCause(t.Context())
				first := s.Summary.RowCount
				sum, err := j.run.RunSubtask(ctx, j.Task, s, func(sum dxf.Summary) {
					require.LessOrEqual(t, sum.Bytes, int64(len(text)))
					if sum.RowCount > first {
						cancel(dxf.ErrPaused)
					}
				})
				cancel(nil)
				if err == nil {
					require.Greater(t, stops, 3)
					require.EqualValues(t, n, sum.RowCount)
					require.EqualValues(t, len(text), sum.Bytes)
					require.NoError(t, j.Store.Finish(t.Context(), s.Lease(), dxf.SubtaskSucceed, sum, nil))
					break
				}
				require.ErrorIs(t, err, dxf.ErrPaused)
				require.NoError(t, j.Store.Release(t.Context(), s.Lease()))
			}
			j.finish()
			require.Equal(t, fmt.Sprintf("%d|%d|1|300|1577836800|1577836800\n", n, n/10),
				j.rows("SELECT COUNT(*), SUM(a = 3), MIN((id - 1) % 10 = a), MIN(LENGTH(b)), MIN(UNIX_TIMESTAMP(ts)), MAX(UNIX_TIMESTAMP(ts)) FROM t"))
		})
	}
}

type parquetRow struct {
	ID int64     `parquet:"id"`
	A  int32     `parquet:"a"`
	B  string    `parquet:"b"`
	TS time.Time `parquet:"ts,timestamp(microsecond)"`
}
