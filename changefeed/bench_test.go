package changefeed_test

import (
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
)

// BenchmarkApply measures how fast a backlog is applied: of single-row
// transactions and of large ones, of narrow rows and of wide ones, into a shadow
// with no index but the copy key (merge) and into one that has all of them
// (strict).
func BenchmarkApply(b *testing.B) {
	for _, c := range []struct {
		name            string
		rows, perTx     int
		columns, values string
		change          string
	}{
		{"narrow", 20000, 1, "c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL", "REPEAT('c', 119), REPEAT('p', 59)", "k = k + 1, c = CONCAT(i, 'x')"},
		{"narrow,large", 20000, 100, "c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL", "REPEAT('c', 119), REPEAT('p', 59)", "k = k + 1, c = CONCAT(i, 'x')"},
		{"unique", 20000, 1, "c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL, u INT UNIQUE", "REPEAT('c', 119), REPEAT('p', 59), seq * 2", "k = k + 1, u = u + IF(u % 2, -1, 1)"},
		{"wide", 400, 1, "c MEDIUMBLOB NOT NULL, pad MEDIUMTEXT NOT NULL", "REPEAT(CHAR(seq), 20000), REPEAT('p', 20000)", "k = k + 1, c = REPEAT(CHAR(i), 20000)"},
	} {
		for _, mode := range []dxf.FeedMode{dxf.FeedMerge, dxf.FeedStrict} {
			for _, lanes := range []int{1, 2, 4} {
				b.Run(fmt.Sprintf("%s/%s/lanes=%d", c.name, mode, lanes), func(b *testing.B) {
					r := newRig(b, "CREATE TABLE t (id INT PRIMARY KEY, k INT NOT NULL, "+c.columns+")")
					stop := r.run("node-a")
					r.exec("INSERT INTO t SELECT seq, seq, " + c.values + " FROM " + mariadbdtest.Numbers(c.rows))
					r.sync()
					if mode == dxf.FeedStrict {
						r.strict("ALTER TABLE " + r.shadow + " ADD KEY (k), ADD KEY (c(32)), ADD KEY (pad(32), k)")
					}
					r.sync()
					stop()
					before := r.feed().Applied
					r.exec(fmt.Sprintf("CREATE PROCEDURE p() BEGIN DECLARE i INT DEFAULT 0; WHILE i < %d DO UPDATE t SET %s WHERE id BETWEEN (i * %d) %% %d + 1 AND (i * %d) %% %d + %d; SET i = i + 1; END WHILE; END",
						max(c.rows, 2000)/c.perTx, c.change, 7*c.perTx, c.rows, 7*c.perTx, c.rows, c.perTx), "CALL p()")
					r.config.Lanes = lanes
					b.ResetTimer()
					begun := time.Now()
					id := r.mark(dxf.MarkSync)
					r.run("node-b")
					require.NoError(b, r.marked(id))
					b.StopTimer()
					b.ReportMetric(float64(r.feed().Applied-before)/time.Since(begun).Seconds(), "changes/s")
					r.same()
				})
			}
		}
	}
}

// roomy gives the server room for the tables and for what is written to them.
func roomy(b *testing.B) {
	db, err := sql.Open("mysql", srv.DSN())
	require.NoError(b, err)
	b.Cleanup(func() { _ = db.Close() })
	log := map[server.Family]string{server.MariaDB: "innodb_log_file_size", server.MySQL: "innodb_redo_log_capacity"}[family()]
	for _, name := range []string{"innodb_buffer_pool_size", log} {
		var before int64
		require.NoError(b, db.QueryRow("SELECT @@GLOBAL."+name).Scan(&before))
		set := func(size int64) {
			_, err := db.Exec(fmt.Sprintf("SET GLOBAL %s = %d", name, size))
			require.NoError(b, err)
		}
		set(512 << 20)
		b.Cleanup(func() { set(before) })
	}
}

// BenchmarkRace lets writers change rows for some seconds as fast as they can while
// the feed is applied, and tells how far it is behind at the end: the time it takes
// to catch up, as a share of the time written.
func BenchmarkRace(b *testing.B) {
	const last = 5 * time.Second
	roomy(b)
	for _, c := range []struct {
		name            string
		rows            int
		columns, values string
		change          string
	}{
		{"narrow", 20000, "c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL", "REPEAT('c', 119), REPEAT('p', 59)", "k = k + 1, c = CONCAT(k, 'x')"},
		{"wide", 400, "c MEDIUMBLOB NOT NULL, pad MEDIUMTEXT NOT NULL", "REPEAT(CHAR(seq), 20000), REPEAT('p', 20000)", "k = k + 1, c = REPEAT(CHAR(k), 20000)"},
	} {
		for _, mode := range []dxf.FeedMode{dxf.FeedMerge, dxf.FeedStrict} {
			for _, lanes := range []int{1, 4} {
				b.Run(fmt.Sprintf("%s/%s/lanes=%d", c.name, mode, lanes), func(b *testing.B) {
					r := newRig(b, "CREATE TABLE t (id INT PRIMARY KEY, k INT NOT NULL, "+c.columns+")")
					r.config.Lanes = lanes
					r.run("node-a")
					r.exec("INSERT INTO t SELECT seq, seq, " + c.values + " FROM " + mariadbdtest.Numbers(c.rows))
					r.sync()
					if mode == dxf.FeedStrict {
						r.strict("ALTER TABLE " + r.shadow + " ADD KEY (k), ADD KEY (c(32)), ADD KEY (pad(32), k)")
					}
					r.sync()
					before := r.feed().Applied
					b.ResetTimer()
					var all sync.WaitGroup
					var written atomic.Int64
					end := time.Now().Add(last)
					for w := range 4 {
						all.Go(func() {
							for n := w * 1000; time.Now().Before(end); n++ {
								r.exec(fmt.Sprintf("UPDATE t SET %s WHERE id = %d", c.change, n*7%c.rows+1))
								written.Add(1)
							}
						})
					}
					all.Wait()
					begun := time.Now()
					behind := before + written.Load() - r.feed().Applied
					r.sync()
					b.StopTimer()
					b.ReportMetric(float64(written.Load())/last.Seconds(), "written/s")
					b.ReportMetric(float64(behind), "behind")
					b.ReportMetric(time.Since(begun).Seconds()/last.Seconds(), "behind/written")
					r.same()
				})
			}
		}
	}
}
