package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/internal/cluster"
	"dxfproxy/mariadbd"
)

// A fault is what goes wrong. strike returns when it is over.
type fault struct {
	name     string
	strike   func(*run, context.Context) error
	tolerate func(error) bool  // errors that clients get from the store then; nil: none
	mayEnd   func(string) bool // reasons for which the job may end; nil: it must get through
	options  []string          // of the store
	start    func(*run) error  // before the store
	apart    bool              // from everybody's connections: the job's client is answered, whatever the answer
}

// lease is longer than any of the nodes' leases.
const lease = 14 * time.Second

var faults = []fault{
	{name: "kill-owner", strike: killed(owner)},
	{name: "kill-applier", strike: killed(applier)},
	{name: "kill-executor", strike: killed(executor)},
	{name: "kill-client", strike: killed(clients)},
	{name: "kill-all", strike: killAll},
	{name: "freeze", strike: freeze},
	{name: "cut", strike: oneWire(func(r *run, ctx context.Context, i int) { r.wires[i].Cut() })},
	{name: "cut-all", strike: allWires(func(r *run, i int) { r.wires[i].Cut() })},
	{name: "cut-often", strike: cutOften},
	{name: "swallow", strike: oneWire(func(r *run, ctx context.Context, i int) { r.wires[i].Swallow() })},
	{name: "swallow-all", strike: allWires(func(r *run, i int) { r.wires[i].Swallow() })},
	{name: "hold", strike: oneWire(func(r *run, ctx context.Context, i int) {
		r.wires[i].Hold()
		pause(ctx, lease)
		r.wires[i].Release()
	})},
	{name: "latency", strike: latency, apart: true},
	{name: "store-kill", strike: storeKill},
	{name: "store-restart", strike: storeRestart},
	{name: "store-freeze", strike: storeFreeze},
	{name: "failover", strike: failover, mayEnd: because("server|binlog|fail|changefeed"), options: []string{"log_slave_updates=ON"}},
	{name: "purged-binlog", strike: purge, mayEnd: because("binlog|changefeed")},
	{name: "max-connections", strike: maxConnections, tolerate: numbers(1040)},
	{name: "revoke", strike: revoke, mayEnd: because("denied|privilege")},
	{name: "read-only", strike: set("read_only", "1", "0", lease), apart: true},
	{name: "statement-format", strike: set("binlog_format", "'STATEMENT'", "'ROW'", time.Second), mayEnd: because("binlog_format|STATEMENT"),
		apart: true},
	{name: "autocommit", strike: set("autocommit", "0", "1", lease), apart: true},
	{name: "short-timeouts", strike: set("wait_timeout", "1", "28800", lease)},
	{name: "long-transaction", strike: longTransaction, apart: true},
	{name: "kill-sessions", strike: killSessions},
	{name: "disk-full", strike: diskFull, start: mountSmall},
}

func because(pattern string) func(string) bool {
	return regexp.MustCompile("(?i)" + pattern).MatchString
}

func numbers(list ...uint16) func(error) bool {
	return func(err error) bool {
		var e *mysql.MySQLError
		if errors.As(err, &e) {
			for _, n := range list {
				if e.Number == n {
					return true
				}
			}
		}
		return false
	}
}

// Which node is what.
const (
	owner    = "SELECT host FROM " + meta + ".owner"
	applier  = "SELECT exec_id FROM " + meta + ".changefeed WHERE exec_id <> ''"
	executor = "SELECT exec_id FROM " + meta + ".tidb_background_subtask WHERE state = 'running' ORDER BY RAND() LIMIT 1"
	clients  = ""
)

// victim is the node that a query finds; any, if it finds none.
func (r *run) victim(ctx context.Context, query string) *cluster.Node {
	if query == clients {
		return r.cluster.Nodes[0]
	}
	var addr string
	_ = r.direct.QueryRowContext(ctx, query).Scan(&addr)
	for _, n := range r.cluster.Nodes {
		if n.Addr == addr {
			return n
		}
	}
	return r.cluster.Nodes[r.rnd.IntN(len(r.cluster.Nodes))]
}

func killed(query string) func(*run, context.Context) error {
	return func(r *run, ctx context.Context) error { return r.victim(ctx, query).Kill() }
}

func killAll(r *run, ctx context.Context) error {
	for _, n := range r.cluster.Nodes {
		if err := n.Kill(); err != nil {
			return err
		}
	}
	for _, n := range r.cluster.Nodes {
		if err := n.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func freeze(r *run, ctx context.Context) error {
	n := r.cluster.Nodes[r.rnd.IntN(3)]
	if err := n.Freeze(); err != nil {
		return err
	}
	pause(ctx, lease)
	return n.Thaw()
}

func oneWire(do func(*run, context.Context, int)) func(*run, context.Context) error {
	return func(r *run, ctx context.Context) error {
		do(r, ctx, r.rnd.IntN(3))
		return nil
	}
}

func allWires(do func(*run, int)) func(*run, context.Context) error {
	return func(r *run, _ context.Context) error {
		for i := range r.wires[:3] {
			do(r, i)
		}
		return nil
	}
}

func cutOften(r *run, ctx context.Context) error {
	for range 20 {
		r.wires[r.rnd.IntN(3)].Cut()
		pause(ctx, time.Duration(r.rnd.IntN(500))*time.Millisecond)
	}
	return nil
}

// latency stays to the end of the job.
func latency(r *run, _ context.Context) error {
	d := []time.Duration{20, 50, 100}[r.rnd.IntN(3)] * time.Millisecond
	for _, w := range r.wires[:3] {
		w.Delay(d)
	}
	r.moment += fmt.Sprintf(", %v", d)
	return nil
}

func storeKill(r *run, ctx context.Context) error {
	r.store.Kill()
	return r.startAgain(ctx)
}

func storeRestart(r *run, ctx context.Context) error {
	if err := r.store.Stop(ctx); err != nil {
		return err
	}
	return r.startAgain(ctx)
}

func (r *run) startAgain(ctx context.Context) (err error) {
	pause(ctx, time.Duration(r.rnd.IntN(5000))*time.Millisecond)
	r.store, err = mariadbd.Start(ctx, r.storeCfg)
	return err
}

func storeFreeze(r *run, ctx context.Context) error {
	if err := syscall.Kill(r.store.PID(), syscall.SIGSTOP); err != nil {
		return err
	}
	pause(ctx, lease)
	return syscall.Kill(r.store.PID(), syscall.SIGCONT)
}

// purge kills who reads the binlog, and what it has not read is gone.
func purge(r *run, ctx context.Context) error {
	if err := r.victim(ctx, applier).Kill(); err != nil {
		return err
	}
	for range 3 {
		if _, err := r.direct.ExecContext(ctx, "FLUSH BINARY LOGS"); err != nil {
			return err
		}
	}
	return try(ctx, "purge the binlog", func() error {
		_, err := r.direct.ExecContext(ctx, "PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 HOUR")
		return err
	})
}

// maxConnections leaves no room in the store for a while; who is in stays.
func maxConnections(r *run, ctx context.Context) error {
	set := func(n string) error {
		_, err := r.direct.ExecContext(ctx, "SET GLOBAL max_connections = "+n)
		return err
	}
	if err := set("10"); err != nil { // the servers' least
		return err
	}
	for _, w := range r.wires[:2] {
		w.Cut()
	}
	pause(ctx, lease)
	return try(ctx, "give the store room again", func() error { return set("500") })
}

// revoke takes the account's rights on the jobs' schema for a while.
func revoke(r *run, ctx context.Context) error {
	var granted []string
	rows, err := r.direct.QueryContext(ctx, "SHOW GRANTS FOR '"+meta+"'@'127.0.0.1'")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var g string
		if err := rows.Scan(&g); err != nil {
			return err
		}
		if strings.Contains(g, " ON *.* ") {
			granted = append(granted, g)
		}
	}
	for _, g := range granted {
		priv, _, _ := strings.Cut(strings.TrimPrefix(g, "GRANT "), " ON *.* ")
		if _, err := r.direct.ExecContext(ctx, "REVOKE "+priv+" ON *.* FROM '"+meta+"'@'127.0.0.1'"); err != nil {
			return err
		}
	}
	r.wires[0].Cut() // sessions keep global privileges they had when they came
	r.wires[1].Cut()
	r.wires[2].Cut()
	pause(ctx, 5*time.Second)
	for _, g := range granted {
		g, _, _ = strings.Cut(g, " IDENTIFIED BY ")
		if _, err := r.direct.ExecContext(ctx, g); err != nil {
			return err
		}
	}
	return rows.Err()
}

// set gives a global variable of the store another value for a while.
func set(variable, bad, good string, while time.Duration) func(*run, context.Context) error {
	return func(r *run, ctx context.Context) error {
		if _, err := r.direct.ExecContext(ctx, "SET GLOBAL "+variable+" = "+bad); err != nil {
			return err
		}
		pause(ctx, while)
		return try(ctx, "set it back", func() error {
			_, err := r.direct.ExecContext(ctx, "SET GLOBAL "+variable+" = "+good)
			return err
		})
	}
}

// longTransaction has changed and locked rows when the job comes to its end.
func longTransaction(r *run, ctx context.Context) error {
	tx, err := r.direct.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	t := r.table.Quoted()
	for i := range 300 {
		row := r.table.Row(1_000_000_000+int64(i), 0)
		_, err := tx.ExecContext(ctx, "INSERT INTO "+t+" (id, version, customer, code, amount, created_at, note) VALUES (?, ?, ?, ?, ?, ?, ?)",
			row.ID, row.Version, row.Customer, row.Code, row.Amount, row.CreatedAt, row.Note)
		if err != nil {
			return err
		}
	}
	pause(ctx, time.Duration(10+r.rnd.IntN(15))*time.Second)
	if _, err := tx.ExecContext(ctx, "DELETE FROM "+t+" WHERE id >= 1000000000"); err != nil {
		return err
	}
	return tx.Commit()
}

// killSessions has the store end the nodes' own sessions, again and again.
func killSessions(r *run, ctx context.Context) error {
	for range 10 {
		rows, err := r.direct.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE user LIKE '"+meta+"%'")
		if err != nil {
			return err
		}
		var ids []int64
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids = append(ids, id)
		}
		rows.Close()
		for _, id := range ids {
			_, _ = r.direct.ExecContext(ctx, fmt.Sprint("KILL ", id)) // it may be gone
		}
		pause(ctx, time.Duration(r.rnd.IntN(600))*time.Millisecond)
	}
	return nil
}
