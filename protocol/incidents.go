package protocol

import (
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// incidentsEvery is how often the log says what clients did that nobody wants
	// to read of each time.
	incidentsEvery = 10 * time.Second

	// incidentsShown is how many refused logins, and how many that are none, of one
	// address are logged one by one between two of those lines.
	incidentsShown = 5

	// incidentsKept bounds the addresses that are told apart meanwhile.
	incidentsKept = 256
)

// incidents is what the log will say of logins that came to nothing, by client
// address.
type incidents struct {
	mu      sync.Mutex
	of      map[netip.Addr]*incident
	timer   *time.Timer
	blocked time.Time // when it was said last that the store blocks this node
}

type incident struct {
	client                   string
	silent, garbled, refused int
}

// silent counts a client that has left without a word.
func (in *incidents) silent(log *zap.Logger, c *Conn) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.by(log, c).silent++
}

// refused logs, or counts, a login that was refused.
func (in *incidents) refused(log *zap.Logger, c *Conn, e *Error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	i := in.by(log, c)
	if i.refused++; i.refused > incidentsShown {
		return
	}
	c.log.Info("login refused", zap.String("user", inLog(c.user)), zap.Uint16("code", e.Code), zap.String("error", inLog(e.Message)))
}

// inLog is so much of a stranger's text as is logged. The servers' longest names have
// 128 characters.
func inLog(s string) string {
	const most = 600 // bytes
	return s[:min(len(s), most)]
}

// garbled logs, or counts, a client that sent what is no login.
func (in *incidents) garbled(log *zap.Logger, c *Conn, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	i := in.by(log, c)
	if i.garbled++; i.garbled > incidentsShown {
		return
	}
	c.log.Warn("no login", zap.Error(err))
}

// by is the incident of the client's host.
func (in *incidents) by(log *zap.Logger, c *Conn) *incident {
	if in.of == nil {
		in.of = make(map[netip.Addr]*incident)
		in.timer = time.AfterFunc(incidentsEvery, func() { in.flush(log) })
	}
	addr := hostOf(c.RemoteAddr())
	name := "a local socket"
	if addr.IsValid() {
		name = addr.String()
	}
	if in.of[addr] == nil && len(in.of) >= incidentsKept {
		addr, name = netip.IPv4Unspecified(), "others"
	}
	if in.of[addr] == nil {
		in.of[addr] = &incident{client: name}
	}
	return in.of[addr]
}

// flush logs what has been counted.
func (in *incidents) flush(log *zap.Logger) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, i := range in.of {
		if i.silent > 0 {
			log.Info("clients left without a word", zap.String("client", i.client), zap.Int("connections", i.silent))
		}
		if i.garbled > incidentsShown {
			log.Warn("more that were no logins", zap.String("client", i.client), zap.Int("connections", i.garbled-incidentsShown))
		}
		if i.refused > incidentsShown {
			log.Warn("more logins refused", zap.String("client", i.client), zap.Int("logins", i.refused-incidentsShown))
		}
	}
	if in.of = nil; in.timer != nil {
		in.timer.Stop()
		in.timer = nil
	}
}

// storeRefused logs that the store lets this node no more in, which all clients
// get to hear instead of a greeting.
func (s *Server) storeRefused(e *Error) {
	in := &s.incidents
	in.mu.Lock()
	defer in.mu.Unlock()
	if e.Code != errHostBlocked || time.Since(in.blocked) < incidentsEvery {
		return
	}
	in.blocked = time.Now()
	s.log().Warn("the store blocks this node's address after too many interrupted logins, and so all its clients: run FLUSH HOSTS there"+
		" (MySQL: TRUNCATE TABLE performance_schema.host_cache), and set skip_name_resolve or a large max_connect_errors",
		zap.String("error", e.Message))
}
