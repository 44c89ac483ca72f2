// Package bench is what the benchmarks of jobs share: nodes over one server, and that
// contenders who take turns there do not pay for each other.
package bench

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"dxfproxy/internal/cluster"
	"dxfproxy/mariadbd"
)

// Nodes starts so many nodes of a program over a server, with framework tables of their own
// and their logs in dir; args are further arguments of serve. Each has a session of its own, as
// the server has: whoever shares one shares its processors (sched(7), autogroup).
func Nodes(ctx context.Context, srv *mariadbd.Server, program, dir string, nodes int, args ...string) (*cluster.Cluster, error) {
	binary, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	meta := fmt.Sprintf("dxf%d", nodes)
	store, err := srv.StoreDSN(ctx, meta)
	if err != nil {
		return nil, err
	}
	return cluster.Start(ctx, cluster.Config{
		Binary: binary, Store: store, Nodes: nodes,
		Dir:  filepath.Join(dir, fmt.Sprintf("cluster-%d", nodes)),
		Args: append([]string{"--meta-schema", meta}, args...), Sessions: true,
	})
}

// Settle lets the server write down what the contender before has left dirty, and purge what
// it has deleted, for half a minute at most.
func Settle(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, "SET GLOBAL innodb_max_dirty_pages_pct = 0"); err != nil {
		return err
	}
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-look.C {
		if calm, err := calm(ctx, db); err != nil {
			return err
		} else if calm {
			break
		}
	}
	_, err := db.ExecContext(ctx, "SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT")
	return err
}

// calm says whether little is dirty and little to be purged; MySQL does not tell of the latter.
func calm(ctx context.Context, db *sql.DB) (bool, error) {
	most := map[string]int{"Innodb_buffer_pool_pages_dirty": 100, "Innodb_history_list_length": 1000}
	rows, err := db.QueryContext(ctx,
		"SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_buffer_pool_pages_dirty', 'Innodb_history_list_length')")
	if err != nil {
		return false, err
	}
	defer rows.Close()
	is := true
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			return false, err
		}
		is = is && n < most[name]
	}
	return is, rows.Err()
}

// Median is the middle one of some times, the later of two.
func Median(d []time.Duration) time.Duration {
	s := slices.Clone(d)
	slices.Sort(s)
	return s[len(s)/2]
}
