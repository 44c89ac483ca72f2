package changefeed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/lifeline"
)

// Config says how a node applies. DSN and NodeID are required.
type Config struct {
	DSN        string // of the store; its account reads the binlog and writes the shadows
	NodeID     string
	MetaSchema string // where changefeed_marker is

	WindowChanges int           // row changes at which a window ends; default 2000
	WindowTime    time.Duration // age at which a window ends although more is there; default 200 ms
	// MaxBytes bounds the buffered row changes of one feed, once for what is read
	// ahead and once more for undecided XA transactions; default 64 MiB.
	MaxBytes int64
	Poll     time.Duration // how often to look for feeds; default 1 s
	MaxFeeds int           // how many feeds this node applies at once; default 32
	Lanes    int           // sessions of a feed that is behind; default 4
	Logger   *zap.Logger   // nil is silent
}

func (c Config) withDefaults() Config {
	if c.WindowChanges == 0 {
		c.WindowChanges = 2000
	}
	if c.WindowTime == 0 {
		c.WindowTime = 200 * time.Millisecond
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	if c.Poll == 0 {
		c.Poll = time.Second
	}
	if c.MaxFeeds == 0 {
		c.MaxFeeds = 32
	}
	if c.Lanes == 0 {
		c.Lanes = 4
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	return c
}

// lookConns are the connections of a node beside those of the feeds.
const lookConns = 4

// A Manager claims feeds for its node and runs their appliers.
type Manager struct {
	store Store
	cfg   Config
	dsn   *mysql.Config
	wake  chan struct{}

	mu    sync.Mutex
	feeds map[int64]*counters // of the appliers that run
	news  chan struct{}       // closed by the next Wake
}

// New checks the configuration. Nothing is connected before Run.
func New(store Store, cfg Config) (*Manager, error) {
	cfg = cfg.withDefaults()
	if cfg.NodeID == "" {
		return nil, errors.New("changefeed: no node id")
	}
	dsn, err := mysql.ParseDSN(cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("changefeed: parse the store's DSN: %w", err)
	}
	// Windows go as one text; DELETE with an alias wants a schema, any one.
	dsn.ParseTime, dsn.MultiStatements, dsn.DBName = true, true, cfg.MetaSchema
	dsn.InterpolateParams = true
	dsn.ClientFoundRows = true // Store.CommitFeed counts rows that it found
	if dsn.Timeout == 0 {
		dsn.Timeout = 5 * time.Second
	}
	dsn.MaxAllowedPacket = 1 << 30 // the server's own limit is kept by the writer
	return &Manager{
		store: store, cfg: cfg, dsn: dsn, wake: make(chan struct{}, 1), feeds: map[int64]*counters{}, news: make(chan struct{}),
	}, nil
}

// Wake makes Run look for feeds at once, and those that stand still whether they may go on.
func (m *Manager) Wake() {
	m.mu.Lock()
	close(m.news)
	m.news = make(chan struct{})
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Run applies feeds until ctx is done. Then it gives its leases up and returns nil.
func (m *Manager) Run(ctx context.Context) error {
	db, err := lifeline.Open(m.dsn, m.cfg.Logger)
	if err != nil {
		return fmt.Errorf("changefeed: %w", err)
	}
	// Enough for all lanes of all feeds; what these look up before they have theirs
	// takes turns. So none of them waits for a connection while it holds one.
	db.SetMaxOpenConns(m.cfg.MaxFeeds*m.cfg.Lanes + lookConns)
	db.SetMaxIdleConns(1)
	db.SetConnMaxIdleTime(time.Minute)
	defer db.Close()
	var running sync.WaitGroup
	defer running.Wait()
	tick := time.NewTicker(m.cfg.Poll)
	defer tick.Stop()
	for {
		feeds, err := m.store.Claimable(ctx)
		if err != nil && ctx.Err() == nil {
			m.cfg.Logger.Warn("look for changefeeds", zap.Error(err))
		}
		for _, f := range feeds {
			if m.busy(f.JobID) {
				continue // its lease will be lost, and it will notice
			}
			if m.full() {
				break // another node may have room, else it is this one's next
			}
			begun := time.Now()
			claimed, err := m.store.Claim(ctx, f.JobID, m.cfg.NodeID)
			if errors.Is(err, dxf.ErrLeaseLost) || errors.Is(err, dxf.ErrNotFound) {
				continue
			}
			if err != nil {
				if ctx.Err() == nil {
					m.cfg.Logger.Warn("claim a changefeed", zap.Int64("job", f.JobID), zap.Error(err))
				}
				continue
			}
			a := newApplier(m, db, claimed, begun)
			m.enter(claimed.JobID, a.counters)
			running.Add(1)
			go func() {
				defer running.Done()
				a.run(ctx)
				m.leave(claimed.JobID)
			}()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-m.wake:
		}
	}
}

// woken is closed by the next Wake.
func (m *Manager) woken() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.news
}

func (m *Manager) busy(job int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.feeds[job] != nil
}

func (m *Manager) full() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.feeds) >= m.cfg.MaxFeeds
}

func (m *Manager) enter(job int64, c *counters) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.feeds[job] = c
}

func (m *Manager) leave(job int64) {
	m.mu.Lock()
	delete(m.feeds, job)
	m.mu.Unlock()
	m.Wake()
}
