package lifeline

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"
)

const (
	// dialLimit is of a connection with its greeting, login and set-up, where the
	// DSN names none.
	dialLimit = 5 * time.Second
	// writeLimit is how long the other end may take no bytes. The server reads what it is
	// sent at once, unless it stands still.
	writeLimit = 15 * time.Second
)

// Open makes a pool of connections by a DSN. Nothing is connected before it is used. log may
// be nil.
func Open(mc *mysql.Config, log *zap.Logger) (*sql.DB, error) {
	mc = mc.Clone()
	if mc.Timeout == 0 {
		mc.Timeout = dialLimit
	}
	if mc.WriteTimeout == 0 {
		mc.WriteTimeout = writeLimit
	}
	mc.RejectReadOnly = false // sessions see to it themselves, without losing the reason
	if log == nil {
		log = zap.NewNop()
	}
	mc.DialFunc = Dial
	looks, err := mysql.NewConnector(lookConfig(mc))
	if err != nil {
		return nil, fmt.Errorf("read the store's DSN: %w", err)
	}
	c := &connector{limit: mc.Timeout, watch: newWatch(mc.Addr, looks, log)}
	mc.DialFunc = c.dial
	if c.Connector, err = mysql.NewConnector(mc); err != nil {
		return nil, fmt.Errorf("read the store's DSN: %w", err)
	}
	go c.watch.run()
	return sql.OpenDB(c), nil
}

// Dial connects as the kernel's limits want it.
func Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{
		// Found dead when idle: within 5 + 3*3 s.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 3 * time.Second, Count: 3},
		Control:         control,
	}
	return d.DialContext(ctx, network, addr)
}

// A connector makes the sessions of a pool, and owns what watches them.
type connector struct {
	driver.Connector
	limit time.Duration // of greeting and set-up too, which the driver's own limit leaves out
	watch *watch
	how   atomic.Int32 // a manner
}

// dialed is where a connection that is dialled is handed to whoever sets up its session.
type dialed struct{}

func (c *connector) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	w := c.watch.wire(conn)
	if to, ok := ctx.Value(dialed{}).(**wire); ok {
		*to = w
	}
	return w, nil
}

// Connect opens a session and sets it up.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	var w *wire
	conn, err := c.Connector.Connect(context.WithValue(ctx, dialed{}, &w))
	if err != nil {
		return nil, err
	}
	s := &session{mysqlConn: conn.(mysqlConn), wire: w}
	if err := s.setUp(ctx, &c.how); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("prepare session: %w", err)
	}
	w.watched(s.id, s.server)
	return s, nil
}

// Close is called by sql.DB.Close.
func (c *connector) Close() error {
	c.watch.close()
	return nil
}
