package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/internal/cluster"
	"dxfproxy/internal/workload"
)

// watcher reads the progress of the job through a node, as a user would, and
// shows it: one display for each step.
type watcher struct {
	db      *sql.DB
	cluster *cluster.Cluster
	load    *workload.Load
	out     io.Writer
	kind    dxf.Type
	rows    int64 // in all, where the task does not say

	display *display
	step    dxf.Step
	began   time.Time // of the step
	commits int64     // of the load, at the last look
	looked  time.Time
}

// progress is what one look found.
type progress struct {
	moving      bool // rows, not yet indexes
	done, total int64
}

const taskQuery = `SELECT id, step, CAST(JSON_VALUE(CONVERT(meta USING utf8mb4), '$.rows') AS SIGNED)
FROM mysql.tidb_global_task WHERE type = ? AND state NOT IN ('succeed', 'reverted', 'failed') ORDER BY id LIMIT 1`

const subtaskQuery = `SELECT exec_id, state, COALESCE(CAST(JSON_VALUE(summary, '$.row_count') AS SIGNED), 0)
FROM mysql.tidb_background_subtask WHERE task_key = CAST(? AS CHAR) AND step = ?`

// look reads the job once and shows it.
func (w *watcher) look(ctx context.Context) (progress, error) {
	var id int64
	var step dxf.Step
	var rows sql.NullInt64
	err := w.db.QueryRowContext(ctx, taskQuery, string(w.kind.Name)).Scan(&id, &step, &rows)
	if errors.Is(err, sql.ErrNoRows) || err == nil && step < 0 {
		return progress{}, nil // not yet planned, or just done
	}
	if err != nil {
		return progress{}, fmt.Errorf("read the task: %w", err)
	}
	p := progress{moving: w.kind.Steps[step].Counts, total: rows.Int64}
	if !rows.Valid {
		p.total = w.rows
	}
	nodes := map[string]*share{}
	if err := w.subtasks(ctx, id, step, &p, nodes); err != nil {
		return progress{}, err
	}
	if step != w.step || w.display == nil {
		w.close()
		w.step, w.began = step, time.Now()
		w.display = newDisplay(w.out, p.total, w.kind.StepName(step))
	}
	w.display.show(p.done, max(p.total, p.done), w.lines(nodes))
	return p, nil
}

// share is one node's part of a step.
type share struct {
	running, succeed int
	rows             int64
}

func (w *watcher) subtasks(ctx context.Context, id int64, step dxf.Step, p *progress, nodes map[string]*share) error {
	rows, err := w.db.QueryContext(ctx, subtaskQuery, id, step)
	if err != nil {
		return fmt.Errorf("read the subtasks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var node, state string
		var n int64
		if err := rows.Scan(&node, &state, &n); err != nil {
			return fmt.Errorf("read the subtasks: %w", err)
		}
		if nodes[node] == nil {
			nodes[node] = &share{}
		}
		s := nodes[node]
		s.rows += n
		p.done += n
		switch dxf.SubtaskState(state) {
		case dxf.SubtaskRunning:
			s.running++
		case dxf.SubtaskSucceed:
			s.succeed++
		}
	}
	return rows.Err()
}

// lines says what every node does, and how the load fares.
func (w *watcher) lines(nodes map[string]*share) []string {
	var lines []string
	for _, n := range w.cluster.Nodes {
		s := nodes[n.Addr]
		if s == nil {
			s = &share{}
		}
		state := fmt.Sprintf("%d running, %d done, %s rows", s.running, s.succeed, group(s.rows))
		if !n.Running() {
			state = fmt.Sprintf("killed; %d done, %s rows", s.succeed, group(s.rows))
			if s.running > 0 {
				state = fmt.Sprintf("killed; %d running until its lease ends, %d done, %s rows", s.running, s.succeed, group(s.rows))
			}
		}
		lines = append(lines, fmt.Sprintf("%s %s", n.Name, state))
	}
	stats := w.load.Stats()
	line := "load " + group(stats.Commits) + " commits"
	if d := time.Since(w.looked); !w.looked.IsZero() && d > 0 {
		line = fmt.Sprintf("load %.0f commits/s, slowest %v", float64(stats.Commits-w.commits)/d.Seconds(),
			stats.MaxLatency.Round(time.Millisecond))
	}
	w.commits, w.looked = stats.Commits, time.Now()
	return append(lines, line)
}

// event prints a line of its own.
func (w *watcher) event(format string, args ...any) {
	line := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	if w.display != nil {
		w.display.event("*** " + line)
		return
	}
	fmt.Fprintln(w.out, "*** "+line)
}

func (w *watcher) close() {
	if w.display != nil {
		w.display.close()
		w.display = nil
	}
}
