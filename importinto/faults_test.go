package importinto_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/executor/executortest"
	"dxfproxy/importinto"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
	"dxfproxy/source"
)

// manyRows is a CSV file of n rows of about a hundred bytes.
func manyRows(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,%d,%s\n", i+1, i%1000, strings.Repeat("x", 80))
	}
	return b.String()
}

const wide = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(100), KEY (a))"

// slowly makes chunks small.
func slowly(m *importinto.Meta) { m.MaxWriteSpeed = 4 << 20 }

// TestImportResumes: a subtask that is stopped between two chunks goes on behind
// the last one, in plain files, packed ones and parts.
func TestImportResumes(t *testing.T) {
	for _, split := range []bool{false, true} {
		t.Run(fmt.Sprint(split), func(t *testing.T) {
			text := manyRows(80_000)
			j := startImport(t, map[string]string{"1.csv": text, "2.csv": "100001,1,one\n"}, func(m *importinto.Meta) { slowly(m); m.SplitFile = split }, wide)
			require.NoError(t, j.until(importinto.StepProbe))
			require.True(t, j.next())
			// All in one subtask, and the large file in parts, as if they were small ones.
			file := source.Piece{Path: filepath.Join(j.dir, "1.csv"), Size: int64(len(text))}
			pieces := []source.Piece{file, {Path: filepath.Join(j.dir, "2.csv"), Size: 13}}
			if split {
				var parts []source.Piece
				for i := range int64(7) {
					p := file
					p.Start, p.End = file.Size*i/7, file.Size*(i+1)/7
					parts = append(parts, p)
				}
				pieces = append(parts, pieces[1])
			}
			j.SQL("DELETE FROM dxf_" + j.Schema + ".tidb_background_subtask WHERE step = 1 AND ordinal > 1")
			j.SQL("UPDATE dxf_"+j.Schema+".tidb_background_subtask SET meta = ? WHERE step = 1", executortest.MustJSON(t, importinto.PieceMeta{Pieces: pieces}))
			for stops := 0; ; stops++ {
				subs := j.Lease()
				require.Len(t, subs, 1)
				ctx, cancel := context.WithCancelCause(t.Context())
				first := subs[0].Summary.RowCount
				sum, err := j.run.RunSubtask(ctx, j.Task, subs[0], func(s dxf.Summary) {
					if s.RowCount > first {
						cancel(dxf.ErrPaused)
					}
				})
				if err == nil {
					require.Greater(t, stops, 1)
					require.EqualValues(t, 80_001, sum.RowCount)
					require.NoError(t, j.Store.Finish(t.Context(), subs[0].Lease(), dxf.SubtaskSucceed, sum, nil))
					break
				}
				require.ErrorIs(t, err, dxf.ErrPaused)
				require.NoError(t, j.Store.Release(t.Context(), subs[0].Lease()))
			}
			j.finish()
			require.Equal(t, "80001", j.Query("SELECT COUNT(*) FROM t"))
			require.Equal(t, "80000", j.Query("SELECT COUNT(*) FROM t WHERE id <= 80000 AND a = (id - 1) % 1000 AND LENGTH(b) = 80"))
		})
	}
}

// TestImportZombie: an executor whose subtask was given away writes nothing.
func TestImportZombie(t *testing.T) {
	j := startImport(t, map[string]string{"1.csv": manyRows(100)}, nil, wide)
	require.NoError(t, j.until(importinto.StepProbe))
	require.True(t, j.next())
	s := j.Lease()[0]
	require.NoError(t, j.Store.Release(t.Context(), s.Lease()))
	_, err := j.run.RunSubtask(t.Context(), j.Task, s, nil)
	require.ErrorIs(t, err, dxf.ErrLeaseLost)
	require.Equal(t, "0", j.Query("SELECT COUNT(*) FROM "+server.Quote(j.meta.Staging)))
	require.NoError(t, j.step())
	j.finish()
	require.Equal(t, "100", j.Query("SELECT COUNT(*) FROM t"))
}

// TestImportCancelled leaves nothing, wherever it is.
func TestImportCancelled(t *testing.T) {
	for _, step := range []dxf.Step{dxf.StepInit, importinto.StepProbe, importinto.StepImport, importinto.StepBuild, importinto.StepPostProcess} {
		t.Run(importinto.Type.StepName(step), func(t *testing.T) {
			j := startImport(t, map[string]string{"1.csv": manyRows(100)}, nil, wide)
			if step != dxf.StepInit {
				require.NoError(t, j.until(step))
			}
			j.undone()
			require.Equal(t, "0", j.Query("SELECT COUNT(*) FROM t"))
		})
	}
}

// TestImportPublishInUse: what others do to the table meanwhile is theirs.
func TestImportPublishInUse(t *testing.T) {
	for _, c := range []struct {
		do   string
		code uint16
	}{
		{"INSERT INTO t VALUES (7, 7, 'seven')", 8173},
		{"ALTER TABLE t ADD COLUMN c INT", 8028},
		{"CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1", 8028},
		{"ALTER TABLE t__dxfi1_new ADD COLUMN c INT", 8028},
	} {
		t.Run(c.do, func(t *testing.T) {
			j := startImport(t, map[string]string{"1.csv": manyRows(100)}, nil, wide)
			require.NoError(t, j.until(importinto.StepPostProcess))
			j.SQL(c.do)
			rows := j.Query("SELECT COUNT(*) FROM t")
			require.EqualValues(t, c.code, j.fail(importinto.StepPublish).Code)
			require.Equal(t, rows, j.Query("SELECT COUNT(*) FROM t"))
		})
	}
}

// TestImportPublishRace: a row that is committed between the look at the table and
// its lock is seen under the lock.
func TestImportPublishRace(t *testing.T) {
	j := startImport(t, map[string]string{"1.csv": manyRows(100)}, nil, wide)
	require.NoError(t, j.until(importinto.StepPostProcess))
	require.True(t, j.next())
	tx, err := j.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.Exec("INSERT INTO t VALUES (7, 7, 'seven')")
	require.NoError(t, err)
	s := j.Lease()[0]
	waited := false
	_, err = j.run.RunSubtask(t.Context(), j.Task, s, func(sum dxf.Summary) {
		if strings.Contains(sum.Waiting, "lock on the table") && !waited {
			waited = true
			require.NoError(t, tx.Commit())
		}
	})
	require.True(t, waited)
	require.EqualValues(t, 8173, dxf.ErrorOf(err).Code, "%v", err)
	j.undone()
	require.Equal(t, "1", j.Query("SELECT COUNT(*) FROM t"))
}

// TestImportPublishedInDoubt: that the rows are in the table is never forgotten,
// whatever dies between the rename and the end of the task.
func TestImportPublishedInDoubt(t *testing.T) {
	j := startImport(t, map[string]string{"1.csv": manyRows(100)}, nil, wide)
	require.NoError(t, j.until(importinto.StepPostProcess))
	require.True(t, j.next())
	j.SQL("RENAME TABLE t TO t__dxfi1_old, t__dxfi1_new TO t")
	for range 3 {
		won, err := j.imp.OnDone(t.Context(), j.Task, nil)
		require.NoError(t, err)
		require.True(t, won)
		j.RequireClean()
	}
	require.Equal(t, "100", j.Query("SELECT COUNT(*) FROM t"))
}

// TestImportDirect goes into tables that cannot be exchanged.
func TestImportDirect(t *testing.T) {
	for name, more := range map[string]string{
		"child":   "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (id)",
		"parent":  "CREATE TABLE c (id INT PRIMARY KEY, tid INT, FOREIGN KEY (tid) REFERENCES t (id))",
		"trigger": "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.b = CONCAT(NEW.b, '!')",
	} {
		t.Run(name, func(t *testing.T) {
			j := startImport(t, map[string]string{"1.csv": manyRows(100)}, nil, "CREATE TABLE p (id INT PRIMARY KEY)", wide, more)
			require.NoError(t, j.until(importinto.StepPostProcess))
			require.True(t, j.meta.Direct)
			require.Contains(t, j.meta.Note, "one transaction")
			require.True(t, j.next())
			// A client has written a row and not committed: it is waited for.
			tx, err := j.DB.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = tx.Exec("SET foreign_key_checks = 0")
			require.NoError(t, err)
			_, err = tx.Exec("INSERT INTO t VALUES (-1, -1, '')")
			require.NoError(t, err)
			time.AfterFunc(500*time.Millisecond, func() { _ = tx.Rollback() })
			require.NoError(t, j.step())
			j.finish()
			require.Equal(t, "100", j.Query("SELECT COUNT(*) FROM t"))
		})
	}
	t.Run("not empty", func(t *testing.T) {
		j := startImport(t, map[string]string{"1.csv": manyRows(100)}, nil, "CREATE TABLE p (id INT PRIMARY KEY)", wide, "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (id)")
		require.NoError(t, j.until(importinto.StepPostProcess))
		j.SQL("INSERT INTO t VALUES (7, NULL, 'seven')")
		require.EqualValues(t, 8173, j.fail(importinto.StepPublish).Code)
		require.Equal(t, "1", j.Query("SELECT COUNT(*) FROM t"))
	})
}

// TestImportDuplicateFarAway: the two rows are in chunks that are loaded at once, and
// each may wait for the other's row. The later one is told, with its line.
func TestImportDuplicateFarAway(t *testing.T) {
	var b strings.Builder
	for i := range 60_000 {
		id := i + 1
		switch i {
		case 5000, 55_000:
			id = -1
		case 20_000, 59_000:
			id = -2
		}
		fmt.Fprintf(&b, "%d,%d,%s\n", id, i%1000, strings.Repeat("x", 90))
	}
	for range 2 {
		j := startImport(t, map[string]string{"1.csv": b.String()}, nil, wide)
		e := j.fail(importinto.StepImport)
		require.EqualValues(t, 1062, e.Code)
		require.Contains(t, e.Message, "Duplicate entry '-1' for key 't.PRIMARY' (file")
		require.Contains(t, e.Message, "line 55001)")
	}
}

// TestImportReadersSeeAllOrNothing polls the table all the time.
func TestImportReadersSeeAllOrNothing(t *testing.T) {
	j := startImport(t, map[string]string{"1.csv": manyRows(20_000)}, nil, wide)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan map[string]int)
	go func() {
		seen := map[string]int{}
		for ctx.Err() == nil {
			var n sql.NullString
			if err := j.DB.QueryRowContext(context.WithoutCancel(ctx), "SELECT COUNT(*) FROM t").Scan(&n); err != nil {
				n.String = err.Error()
			}
			seen[n.String]++
		}
		done <- seen
	}()
	j.finish()
	cancel()
	seen := <-done
	delete(seen, "0")
	delete(seen, "20000")
	require.Empty(t, seen)
}

// TestImportSessionKilled: a session that is killed in the middle of a chunk ends the
// run, which can be tried again. The next run loads what is missing.
func TestImportSessionKilled(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		j := startImport(t, map[string]string{"1.csv": manyRows(20_000)}, nil, wide)
		require.NoError(t, j.until(importinto.StepProbe))
		require.True(t, j.next())
		s := j.Lease()[0]
		// A row of somebody else's that is not committed yet holds the chunk up.
		holder, err := j.DB.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer holder.Rollback() //nolint:errcheck // after a rollback it does nothing
		_, err = holder.Exec("INSERT INTO " + server.Quote(j.meta.Staging) + " VALUES (1, 0, '')")
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() {
			_, err := j.run.RunSubtask(t.Context(), j.Task, s, nil)
			ended <- err
		}()
		var id int64
		require.Eventually(t, func() bool {
			return j.DB.QueryRow("SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'").Scan(&id) == nil
		}, 20*time.Second, 150*time.Millisecond, "nobody loads") // the server refreshes its list when nobody has read it for 100 ms
		j.SQL(fmt.Sprintf("KILL %d", id))
		select {
		case err := <-ended:
			require.Error(t, err)
			require.True(t, j.run.IsRetryableErr(err), "%v", err)
		case <-time.After(20 * time.Second):
			t.Fatal("the run does not end")
		}
		require.NoError(t, holder.Rollback())
		sum, err := j.run.RunSubtask(t.Context(), j.Task, s, nil)
		require.NoError(t, err)
		require.NoError(t, j.Store.Finish(t.Context(), s.Lease(), dxf.SubtaskSucceed, sum, nil))
		j.finish()
		require.Equal(t, "20000", j.Query("SELECT COUNT(*) FROM t"))
	})
}

// TestImportLongRows: what no statement can hold is said so, and what only one can
// gets one of its own.
func TestImportLongRows(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		_, db := mariadbdtest.Schema(t, srv)
		limit := func(bytes int) {
			_, err := db.Exec(fmt.Sprintf("SET GLOBAL max_allowed_packet = %d", bytes))
			require.NoError(t, err)
		}
		limit(1 << 20)
		defer limit(16 << 20)
		files := map[string]string{"1.csv": "1,y\n2," + strings.Repeat("x", 500_000) + "\n3," + strings.Repeat("x", 900_000) + "\n4,z\n"}
		const texts = "CREATE TABLE t (id INT PRIMARY KEY, b LONGTEXT)"
		j := startImport(t, files, nil, texts)
		j.finish()
		require.Equal(t, "1|1\n2|500000\n3|900000\n4|1\n", j.rows("SELECT id, LENGTH(b) FROM t ORDER BY id"))
		files["1.csv"] += "5," + strings.Repeat("x", 3_000_000) + "\n"
		j = startImport(t, files, nil, texts)
		if j.Query("SELECT @@GLOBAL.local_infile") == "1" {
			j.finish()
			require.Equal(t, "3000000", j.Query("SELECT LENGTH(b) FROM t WHERE id = 5"))
			return
		}
		e := j.fail(importinto.StepImport)
		require.EqualValues(t, 1153, e.Code)
		require.Contains(t, e.Message, "Got a packet bigger than 'max_allowed_packet' bytes")
		require.Contains(t, e.Message, "1.csv, line 5")
	})
}
