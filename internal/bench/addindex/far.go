package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/internal/cluster"
	"dxfproxy/internal/cluster/wire"
)

// far is three nodes whose way to the store can be made long.
type far struct {
	*cluster.Cluster
	wires []*wire.Wire
}

// farCluster starts the nodes, each with a wire of its own.
func (b *contest) farCluster(ctx context.Context, dir string) (*far, error) {
	binary, err := filepath.Abs(b.binary)
	if err != nil {
		return nil, err
	}
	const meta = "dxffar"
	store, err := b.srv.StoreDSN(ctx, meta)
	if err != nil {
		return nil, err
	}
	mc, err := mysql.ParseDSN(store)
	if err != nil {
		return nil, err
	}
	f := &far{}
	var stores []string
	for range 3 {
		w, err := wire.Listen(b.srv.Addr())
		if err != nil {
			return nil, errors.Join(err, f.stop(ctx))
		}
		f.wires = append(f.wires, w)
		mc.Addr = w.Addr()
		stores = append(stores, mc.FormatDSN())
	}
	f.Cluster, err = cluster.Start(ctx, cluster.Config{
		Binary: binary, Stores: stores, Nodes: len(stores), Dir: filepath.Join(dir, "cluster-far"), Args: []string{"--meta-schema", meta},
	})
	if err != nil {
		return nil, errors.Join(err, f.stop(ctx))
	}
	return f, nil
}

func (f *far) delay(roundTrip time.Duration) {
	for _, w := range f.wires {
		w.Delay(roundTrip)
	}
}

func (f *far) stop(ctx context.Context) (err error) {
	f.delay(0)
	if f.Cluster != nil {
		err = f.Stop(context.WithoutCancel(ctx))
	}
	for _, w := range f.wires {
		w.Close()
	}
	return err
}

// distances measures the copy with the nodes beside the store and far away from it, in turn.
func (b *contest) distances(ctx context.Context, f *far, trips []time.Duration) error {
	db, err := f.Nodes[0].Open()
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "SET GLOBAL tidb_enable_dist_task = ON, GLOBAL dxf_native_ddl_max_size = 0"); err != nil {
		return err
	}
	var cs []*contender
	for _, trip := range append(append([]time.Duration{}, trips...), 0) {
		cs = append(cs, &contender{name: fmt.Sprintf("copy, %s away", trip), add: func(ctx context.Context) error {
			f.delay(trip)
			defer f.delay(0)
			_, err := db.ExecContext(ctx, "ALTER TABLE bench.orders "+alter)
			return err
		}})
	}
	if err := b.rotate(ctx, cs); err != nil {
		return err
	}
	b.print(cs)
	times, err := blockedTimes(f.Cluster)
	if err != nil {
		return err
	}
	fmt.Printf("writers blocked at the cut-overs (by node): %v\n", times)
	return nil
}

// parseTrips reads durations with commas between them.
func parseTrips(text string) (all []time.Duration, err error) {
	for part := range strings.SplitSeq(text, ",") {
		d, err := time.ParseDuration(part)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}
