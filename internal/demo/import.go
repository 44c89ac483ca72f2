package demo

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"dxfproxy/importinto"
	"dxfproxy/internal/cluster"
	"dxfproxy/internal/workload"
)

// importFiles is how many files are made: enough for three nodes to share.
const importFiles = 24

// importing loads CSV files into a table like that of the load, by all nodes.
type importing struct {
	db      *sql.DB
	cluster *cluster.Cluster
	load    *workload.Load
	table   workload.Table // what the files hold
	out     io.Writer
}

func (im *importing) say(format string, args ...any) { fmt.Fprintf(im.out, format+"\n", args...) }

// run makes the files in dir and imports them, and removes them again.
func (im *importing) run(ctx context.Context, dir, like string) error {
	defer os.RemoveAll(dir)
	if err := im.write(ctx, dir); err != nil {
		return fmt.Errorf("write CSV files: %w", err)
	}
	if _, err := im.db.ExecContext(ctx, "CREATE TABLE "+im.table.Quoted()+" LIKE "+like); err != nil {
		return fmt.Errorf("make a table to import into: %w", err)
	}
	statement := fmt.Sprintf("IMPORT INTO %s.%s FROM '%s'", im.table.Schema, im.table.Name, filepath.Join(dir, "orders-*.csv"))
	im.say("")
	im.say("mysql> %s;", statement)
	if err := im.watch(ctx, statement); err != nil {
		return err
	}
	return im.shares(ctx)
}

// write makes the files: other rows than those of the load.
func (im *importing) write(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	began := time.Now()
	d := newDisplay(im.out, im.table.Rows, "files")
	size, err := im.writeAll(ctx, dir, d)
	d.close()
	if err != nil {
		return err
	}
	im.say("files    %d CSV files, %s rows, %s MB, made in %v", importFiles, group(im.table.Rows), group(size/1e6),
		time.Since(began).Round(time.Second))
	return nil
}

// writeAll returns the bytes it has written.
func (im *importing) writeAll(ctx context.Context, dir string, d *display) (size int64, err error) {
	for i := range int64(importFiles) {
		from, to := im.table.Rows*i/importFiles, im.table.Rows*(i+1)/importFiles
		n, err := writeCSV(filepath.Join(dir, fmt.Sprintf("orders-%02d.csv", i+1)), im.table, from+1, to)
		if err != nil {
			return size, err
		}
		size += n
		d.show(to, im.table.Rows, nil)
		if err := ctx.Err(); err != nil {
			return size, err
		}
	}
	return size, nil
}

// writeCSV writes the rows first to last, as they were before any change, and
// returns the size of the file.
func writeCSV(path string, t workload.Table, first, last int64) (int64, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<16)
	for id := first; id <= last; id++ {
		r := t.Row(id, 0)
		note := `\N`
		if r.Note.Valid {
			note = strconv.Quote(r.Note.String) // of letters, digits and dots: as CSV has it
		}
		fmt.Fprintf(w, "%d,%d,%d,%s,%s,%s,%s\n", r.ID, r.Version, r.Customer, r.Code, r.Amount, r.CreatedAt, note)
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), f.Close()
}

// watch runs the statement and shows its progress. All the time it reads the
// table, which must be empty or complete.
func (im *importing) watch(ctx context.Context, statement string) error {
	type job struct {
		id, rows int64
		err      error
	}
	began := time.Now()
	result := make(chan job, 1)
	go func() {
		var j job
		var rest [11]any
		j.err = im.db.QueryRowContext(ctx, statement).Scan(&j.id, &rest[0], &rest[1], &rest[2], &rest[3], &rest[4], &rest[5], &j.rows,
			&rest[6], &rest[7], &rest[8], &rest[9], &rest[10])
		result <- j
	}()
	w := &watcher{db: im.db, cluster: im.cluster, load: im.load, out: im.out, kind: importinto.Type, rows: im.table.Rows}
	defer w.close()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	looks := 0
	for {
		select {
		case j := <-result:
			w.close()
			if j.err != nil {
				im.say("WRONG    %v", j.err)
				return ErrFailed
			}
			im.say("1 row in set: job %d, %s rows imported (%.3f sec)", j.id, group(j.rows), time.Since(began).Seconds())
			im.say("reader   looked %d times meanwhile, and saw no row or all of them", looks)
			return nil
		case <-tick.C:
		}
		if _, err := w.look(ctx); err != nil {
			return err
		}
		var n int64
		if err := im.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+im.table.Quoted()).Scan(&n); err != nil {
			return fmt.Errorf("read the table: %w", err)
		}
		if looks++; n != 0 && n != im.table.Rows {
			w.close()
			im.say("WRONG    a reader saw %s rows of %s", group(n), group(im.table.Rows))
			return ErrFailed
		}
	}
}

// A task that has just ended may not be in the history yet.
const sharesQuery = `SELECT exec_id, COUNT(*), SUM(CAST(JSON_VALUE(summary, '$.row_count') AS SIGNED)) FROM (
SELECT exec_id, summary, task_key, step FROM mysql.tidb_background_subtask UNION ALL
SELECT exec_id, summary, task_key, step FROM mysql.tidb_background_subtask_history) subtasks
WHERE step = ? AND task_key IN (SELECT CAST(id AS CHAR) FROM (
SELECT id, type FROM mysql.tidb_global_task UNION ALL SELECT id, type FROM mysql.tidb_global_task_history) tasks
WHERE type = 'ImportInto') GROUP BY exec_id`

// shares says how many of the files each node took.
func (im *importing) shares(ctx context.Context) error {
	rows, err := im.db.QueryContext(ctx, sharesQuery, int(importinto.StepImport))
	if err != nil {
		return fmt.Errorf("read who imported what: %w", err)
	}
	defer rows.Close()
	by := map[string]string{}
	for rows.Next() {
		var node string
		var pieces, n int64
		if err := rows.Scan(&node, &pieces, &n); err != nil {
			return fmt.Errorf("read who imported what: %w", err)
		}
		by[node] = fmt.Sprintf("%s rows in %d pieces", group(n), pieces)
	}
	var lines []string
	for _, n := range im.cluster.Nodes {
		if by[n.Addr] == "" {
			by[n.Addr] = "nothing"
		}
		lines = append(lines, n.Name+" imported "+by[n.Addr])
	}
	im.say("nodes    %s", strings.Join(lines, ", "))
	return rows.Err()
}

// check compares the table with what was made, row by row.
func (im *importing) check(ctx context.Context) error {
	rep, err := im.table.Verify(ctx, im.db)
	if err != nil {
		return err
	}
	if !rep.Clean() || rep.Rows != im.table.Rows {
		im.say("WRONG    %s", rep)
		return ErrFailed
	}
	im.say("imported %s rows compared with the files: none missing, none twice, none different", group(rep.Rows))
	var n int64
	err = im.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+im.table.Quoted()+
		" FORCE INDEX (by_day) WHERE created_at > '0001-01-01'").Scan(&n)
	if err != nil {
		return err
	}
	if n != im.table.Rows {
		im.say("WRONG    index by_day of %s holds %s rows", im.table.Name, group(n))
		return ErrFailed
	}
	return nil
}
