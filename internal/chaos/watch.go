package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"dxfproxy/grants"
)

// progress is what the framework's tables say of the job.
type progress struct {
	step    int
	print   string // differs when there is any progress
	waiting string // what it says it waits for
	ended   bool
	ok      bool
	state   string
	reason  string
}

// await waits for the moment of the fault: a step of the job, and a while within it.
func (r *run) await(ctx context.Context) error {
	step := r.job.steps[r.rnd.IntN(len(r.job.steps))]
	while := time.Duration(r.rnd.IntN(step.most)) * time.Millisecond
	r.moment = fmt.Sprintf("%s + %v", step.name, while)
	err := try(ctx, "wait for "+step.name, func() error {
		p, err := r.job.progress(ctx, r)
		if err == nil && !p.ended && step.place(p.step) < step.place(step.step) {
			return errors.New("it does not come")
		}
		return err
	})
	pause(ctx, while)
	return err
}

// quietLimit is how long a job may make no progress without telling a reason, once
// the fault is over, and endLimit how long it may take to its end.
const (
	quietLimit = time.Minute
	endLimit   = 3 * time.Minute
)

// end waits for the job's end.
func (r *run) end(ctx context.Context) (progress, error) {
	began := time.Now()
	moved, last := began, progress{}
	for {
		p, err := r.job.progress(ctx, r)
		switch {
		case ctx.Err() != nil:
			return p, context.Cause(ctx)
		case err == nil && p.ended:
			return p, nil
		case err == nil && p.print != last.print:
			last, moved = p, time.Now()
		case err == nil && p.waiting == "" && time.Since(moved) > quietLimit:
			return p, fmt.Errorf("no progress for %v, and no reason told; it stands at %s", quietLimit, p.print)
		case time.Since(began) > endLimit:
			return p, fmt.Errorf("the job does not end; it stands at %s, waiting: %q (%w)", p.print, p.waiting,
				errors.Join(err, errors.New("limit")))
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// ddlProgress looks at the one DDL job.
func ddlProgress(ctx context.Context, r *run) (p progress, err error) {
	const unfinished = `SELECT COALESCE(JSON_VALUE(CONVERT(j.job_meta USING utf8mb4), '$.waiting'), ''), COALESCE(t.step, 0),
		CONCAT_WS('|', JSON_VALUE(CONVERT(j.job_meta USING utf8mb4), '$.schema_state'), t.state, t.step,
			(SELECT GROUP_CONCAT(s.id, s.state, COALESCE(s.summary, '')) FROM ` + meta + `.tidb_background_subtask s
				WHERE s.task_key = CAST(t.id AS CHAR)),
			(SELECT GROUP_CONCAT(CONCAT_WS(',', c.job_id, c.exec_id, c.epoch)) FROM ` + meta + `.changefeed c))
		FROM ` + meta + `.tidb_ddl_job j LEFT JOIN ` + meta + `.tidb_global_task t ON t.task_key = CONCAT('ddl/backfill/', j.job_id)`
	err = r.direct.QueryRowContext(ctx, unfinished).Scan(&p.waiting, &p.step, &p.print)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return p, err
	}
	const ended = `SELECT JSON_VALUE(m, '$.state'), COALESCE(JSON_VALUE(m, '$.error.Message'), JSON_EXTRACT(m, '$.error'), '')
		FROM (SELECT CONVERT(job_meta USING utf8mb4) m FROM ` + meta + `.tidb_ddl_history
			WHERE CONVERT(job_meta USING utf8mb4) LIKE '%add index%' ORDER BY job_id DESC LIMIT 1) h`
	err = r.direct.QueryRowContext(ctx, ended).Scan(&p.state, &p.reason)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil // not begun
	}
	p.ended, p.ok = err == nil, p.state == "synced"
	return p, err
}

// importProgress looks at the one import.
func importProgress(ctx context.Context, r *run) (p progress, err error) {
	const job = `SELECT i.status, i.step, COALESCE(i.error_message, ''), COALESCE(t.step, 0), CONCAT_WS('|', i.status, i.step, t.state, t.step,
			(SELECT GROUP_CONCAT(s.id, s.state, COALESCE(s.summary, '')) FROM ` + meta + `.tidb_background_subtask s
				WHERE s.task_key = CAST(t.id AS CHAR)))
		FROM ` + meta + `.tidb_import_jobs i LEFT JOIN ` + meta + `.tidb_global_task t ON t.task_key LIKE '%ImportInto%'
		ORDER BY i.id DESC LIMIT 1`
	var step string
	err = r.direct.QueryRowContext(ctx, job).Scan(&p.state, &step, &p.reason, &p.step, &p.print)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	p.ended = err == nil && (p.state == "finished" || p.state == "failed" || p.state == "cancelled")
	p.ok = p.state == "finished"
	return p, err
}

// nothingLeft makes sure that jobs have left nothing in the store.
func (r *run) nothingLeft(ctx context.Context) error {
	left := map[string]string{
		"tables": "SELECT GROUP_CONCAT(table_name) FROM information_schema.tables WHERE table_schema = '" + schema +
			"' AND table_name NOT IN ('orders', 'loaded')",
		"scratch tables": "SELECT GROUP_CONCAT(table_name) FROM information_schema.tables WHERE table_schema = '" + grants.Scratch(meta) +
			"' AND table_name LIKE 'scratch%'",
		"changefeeds": "SELECT GROUP_CONCAT(job_id) FROM " + meta + ".changefeed",
		"markers":     "SELECT GROUP_CONCAT(id) FROM " + meta + ".changefeed_marker",
		"tasks":       "SELECT GROUP_CONCAT(id, state) FROM " + meta + ".tidb_global_task",
		"subtasks":    "SELECT GROUP_CONCAT(id, state) FROM " + meta + ".tidb_background_subtask",
		"readers of the log": "SELECT GROUP_CONCAT(id) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%' " +
			"AND user LIKE '" + meta + "%'",
		"transactions": "SELECT GROUP_CONCAT(trx_mysql_thread_id) FROM information_schema.innodb_trx t JOIN information_schema.processlist p" +
			" ON p.id = t.trx_mysql_thread_id WHERE p.user LIKE '" + meta + "%' AND t.trx_started < NOW() - INTERVAL 10 SECOND",
	}
	var what string
	deadline := time.Now().Add(time.Minute)
	for {
		what = ""
		for _, name := range sortedKeys(left) {
			var names sql.NullString
			if err := r.direct.QueryRowContext(ctx, left[name]).Scan(&names); err != nil {
				what = err.Error()
			} else if names.Valid {
				what = name + ": " + names.String
			}
		}
		switch {
		case what == "":
			return nil
		case time.Now().After(deadline) || ctx.Err() != nil:
			return fmt.Errorf("left behind: %s", what)
		}
		pause(ctx, 200*time.Millisecond)
	}
}
