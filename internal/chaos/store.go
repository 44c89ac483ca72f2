package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"dxfproxy/mariadbd"
)

// startStore starts the run's server, and the replica if it will fail over.
func (r *run) startStore(ctx context.Context) (err error) {
	if r.fault.start != nil {
		if err := r.fault.start(r); err != nil {
			return err
		}
	}
	options := []string{"innodb_buffer_pool_load_at_startup=OFF", "innodb_doublewrite=OFF", "max_connections=500", "log_warnings=1",
		"wait_timeout=25", // or what dead clients have locked is locked for eight hours
	}
	r.storeCfg = mariadbd.Config{
		DataDir: filepath.Join(r.dir, "store", "data"), BaseDir: r.baseDir, BufferPool: 128 << 20, RedoLog: 32 << 20, Relaxed: true,
		TemplateDir: templates(),
	}
	if r.mysql() {
		options[3] = "log_error_verbosity=2"
		if r.fault.name == "failover" {
			options = append(options, "gtid_mode=ON", "enforce_gtid_consistency=ON")
		}
	}
	r.storeCfg.Options = append(options, r.fault.options...)
	if r.store, err = mariadbd.Start(ctx, r.storeCfg); err != nil {
		return err
	}
	if r.fault.name != "failover" {
		return nil
	}
	cfg := r.storeCfg
	cfg.DataDir, cfg.Options = filepath.Join(r.dir, "replica"), append(cfg.Options[:len(cfg.Options):len(cfg.Options)], "server-id=2")
	r.replica, err = mariadbd.Start(ctx, cfg)
	return err
}

func (r *run) mysql() bool {
	return r.baseDir != "" && filepath.Base(filepath.Dir(r.baseDir)) != "" && isMySQL(r.baseDir)
}

func isMySQL(base string) bool {
	_, err := os.Stat(filepath.Join(base, "sbin", "mysqld"))
	_, maria := os.Stat(filepath.Join(base, "sbin", "mariadbd"))
	return err == nil && maria != nil
}

func templates() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "dxfproxy", "templates")
}

// replicate makes the replica follow the store.
func (r *run) replicate(ctx context.Context) error {
	db, err := openRoot(r.replica.DSN())
	if err != nil {
		return err
	}
	defer db.Close()
	follow := []string{fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='root', MASTER_USE_GTID=slave_pos",
		r.store.Port()), "START SLAVE"}
	if r.mysql() {
		follow = []string{fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%d, SOURCE_USER='root', "+
			"SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1",
			r.store.Port()), "START REPLICA"}
	}
	for _, q := range follow {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// failover lets the replica catch up while nobody writes, promotes it, and sends
// everybody there. The store that was is gone.
func failover(r *run, ctx context.Context) error {
	for _, w := range r.wires {
		w.Hold()
	}
	was, err := openRoot(r.store.DSN())
	if err != nil {
		return err
	}
	defer was.Close()
	is, err := openRoot(r.replica.DSN())
	if err != nil {
		return err
	}
	defer is.Close()
	// What is on its way to the store is through in a moment.
	pause(ctx, 300*time.Millisecond)
	at, caught, promote := "SELECT @@gtid_binlog_pos", "SELECT MASTER_GTID_WAIT(?, 30) = 0", []string{"STOP SLAVE", "RESET SLAVE ALL"}
	if r.mysql() {
		at, caught, promote = "SELECT @@gtid_executed", "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 30) = 0",
			[]string{"STOP REPLICA", "RESET REPLICA ALL"}
	}
	var position string
	var ok bool
	if err := was.QueryRowContext(ctx, at).Scan(&position); err != nil {
		return err
	}
	if err := is.QueryRowContext(ctx, caught, position).Scan(&ok); err != nil {
		return err
	}
	if !ok {
		return errors.New("the replica does not catch up")
	}
	for _, q := range promote {
		if _, err := is.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	for _, w := range r.wires {
		w.Retarget(r.replica.Addr())
	}
	r.store.Kill()
	r.store, r.replica = r.replica, nil
	for _, w := range r.wires {
		w.Release()
	}
	if r.rnd.IntN(2) == 0 {
		return nil
	}
	r.moment += ", nodes restarted"
	return killAll(r, ctx)
}

// smallDisk is the size of the disk that gets full.
const smallDisk = 700 << 20

// mountSmall puts the store on a disk of its own, which only root can.
func mountSmall(r *run) error {
	dir := filepath.Join(r.dir, "store")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", smallDisk)); err != nil {
		return fmt.Errorf("mount a small disk: %w", err)
	}
	r.unmount = func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }
	return nil
}

// diskFull fills the store's disk for a while.
func diskFull(r *run, ctx context.Context) error {
	name := filepath.Join(r.dir, "store", "filler")
	out, err := exec.CommandContext(ctx, "dd", "if=/dev/zero", "of="+name, "bs=1M").CombinedOutput() // until there is no room
	if err == nil {
		return fmt.Errorf("the disk does not get full: %s", out)
	}
	pause(ctx, lease)
	if err := os.Remove(name); err != nil {
		return err
	}
	select {
	case <-r.store.Done(): // it has given up, and somebody starts it again
		return r.startAgain(ctx)
	default:
		return nil
	}
}
