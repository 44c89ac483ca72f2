package mariadbd

import (
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Config says which server to run. Only DataDir is required.
type Config struct {
	// DataDir is made when missing. It must be empty or made by Start.
	DataDir string

	// Port is the loopback port to listen on. 0 takes the port of the last run
	// in this directory, or another free one.
	Port int

	// BaseDir is the installation to take the server from, as "/usr": MariaDB,
	// MySQL or TiDB, whichever is there. Empty takes the MariaDB on PATH.
	BaseDir string

	// BufferPool is innodb_buffer_pool_size in bytes. 0 takes a quarter of the
	// memory this process may use, at least 128 MiB and at most 4 GiB.
	BufferPool int64

	// RedoLog is innodb_log_file_size in bytes. 0 takes half the buffer pool, at
	// least 96 MiB (the server's default) and at most 512 MiB.
	RedoLog int64

	// RootPassword gives root a password, made at random once and kept in the file
	// Server.ClientFile. Without it root comes in without one, as tests like it.
	RootPassword bool

	// ClientAddr is what that file names, host:port: where a node relays from. Empty is the
	// server itself.
	ClientAddr string

	// Relaxed does not wait for the disk at each commit. Such data survives the
	// death of the server but not of the machine; for tests and demonstrations.
	Relaxed bool

	// Options are further server options, "name=value" or "--name=value". They
	// come last and so win over those of this package, except for those by
	// which it finds its own server again (data directory, socket, port, user).
	// TiDB takes none.
	Options []string

	// TemplateDir keeps freshly initialised data directories, one for each
	// version of the server, to be copied instead of made. Empty makes every
	// directory anew.
	TemplateDir string

	// StopGrace is how long Stop waits before it kills. 0 is a minute: a large
	// buffer pool takes that long to be written out.
	StopGrace time.Duration

	// Logger gets a line when the server starts, stops or dies. nil is silent.
	Logger *zap.Logger
}

const (
	mib = 1 << 20
	gib = 1 << 30
)

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	if c.BufferPool == 0 {
		// The rest is for the node itself, for the sort buffers of index builds,
		// and for the page cache that the binlog is read from.
		c.BufferPool = clamp(memoryLimit()/4, 128*mib, 4*gib)
	}
	if c.RedoLog == 0 {
		c.RedoLog = clamp(c.BufferPool/2, 96*mib, 512*mib)
	}
	if c.StopGrace == 0 {
		c.StopGrace = time.Minute
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	return c
}

func clamp(n, low, high int64) int64 {
	return max(low, min(n, high))
}

// reserved options would hide the server from the package that runs it.
var reserved = []string{"datadir", "socket", "port", "pid-file", "user", "log-error", "bootstrap", "skip-networking", "basedir"}

// settings are the options of the server apart from its whereabouts.
func (c Config) settings(k Kind) ([]string, error) {
	if k == TiDB {
		return nil, nil // what it has in common with these is called otherwise
	}
	opts := []string{
		// The changefeed reads row events with whole before and after images.
		"--server-id=1",
		"--log-bin=binlog",
		"--binlog-format=ROW",
		"--binlog-row-image=FULL",

		// Nobody may be known by a name that somebody else's DNS decides.
		"--bind-address=127.0.0.1",
		"--skip-name-resolve",
		// Each client of each node has a connection, and a node takes 1000 of them:
		// enough for three full nodes and the jobs.
		"--max-connections=4000",
		"--max-allowed-packet=64M", // TiDB's default
		"--character-set-server=utf8mb4",

		fmt.Sprintf("--innodb-buffer-pool-size=%d", c.BufferPool),
		// INSERT ... SELECT of a copy chunk must not hold the table's
		// AUTO-INC lock; interleaved numbers are safe with row binlog.
		"--innodb-autoinc-lock-mode=2",
		// innodb_sort_buffer_size stays at its default of 1 MiB: a sort run
		// that fits the processor's cache is worth more than fewer merges
		// (four indexes on 2 M rows: 6.0 s with 1 MiB, 8.1 s with 16 MiB).
		// Writers may get far ahead of a native build.
		"--innodb-online-alter-log-max-size=1G",
	}
	if k == MySQL {
		opts = append(opts, c.mysqlSettings()...)
	} else {
		opts = append(opts,
			// A job paused on Friday can be resumed on Monday.
			"--expire-logs-days=7",
			"--performance-schema=OFF",
			// Level 2 writes a line for every client that leaves without a goodbye.
			"--log-warnings=1",
			fmt.Sprintf("--innodb-log-file-size=%d", c.RedoLog),
		)
	}
	if c.Relaxed {
		// Written to the page cache at commit, synced once a second.
		opts = append(opts, "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0")
	} else {
		// Both, for the two logs must agree after a power failure: an index is
		// copied from the binlog, and a transaction that is in InnoDB but no
		// longer in the binlog would be missing from the copy without a trace.
		opts = append(opts, "--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1")
	}
	for _, o := range c.Options {
		if o = strings.TrimSpace(o); !strings.HasPrefix(o, "--") {
			o = "--" + o
		}
		name, _, _ := strings.Cut(strings.ReplaceAll(o[2:], "_", "-"), "=")
		for _, r := range reserved {
			if name == r || strings.HasPrefix(name, "defaults") {
				return nil, fmt.Errorf("server option %s: set by dxfproxy itself", o)
			}
		}
		opts = append(opts, o)
	}
	return opts, nil
}
