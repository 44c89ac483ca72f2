package sqlhandler

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/sysvars"
)

// refreshEvery is how often a node reads the global values others may have
// set; TiDB promises 30 s. Statements that show or use a global value read it
// from the store: this copy only gives new sessions their first values.
const refreshEvery = 2 * time.Second

// globals are the global values as last read, and this node's instance values.
type globals struct {
	store Variables
	known atomic.Pointer[map[string]string]

	mu       sync.Mutex
	instance map[string]string
	typed    string // tidb_service_scope as it was typed last
}

func newGlobals(store Variables, role string) *globals {
	g := &globals{store: store, instance: map[string]string{sysvars.ServiceScope: strings.ToLower(role)}, typed: role}
	g.known.Store(&map[string]string{})
	return g
}

// run reads the global values until ctx ends.
func (g *globals) run(ctx context.Context, log *zap.Logger) error {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	failing := false
	for {
		_, err := g.read(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !failing {
			log.Warn("global variables could not be read, going on with the values known", zap.Error(err))
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// read fetches the global values from the store.
func (g *globals) read(ctx context.Context) (map[string]string, error) {
	m, err := g.store.GlobalVars(ctx)
	if err != nil {
		return nil, fmt.Errorf("read global variables: %w", err)
	}
	g.known.Store(&m)
	return m, nil
}

func (g *globals) instanceValue(v *sysvars.Var) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s, ok := g.instance[v.Name]; ok {
		return s
	}
	return v.Default
}

func (g *globals) setInstance(name, value string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.instance[name] = value
}

// retype remembers the service scope as typed, and says whether that is news.
func (g *globals) retype(text string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	news := g.typed != text
	g.typed = text
	return news
}

func valueIn(m map[string]string, v *sysvars.Var) string {
	if s, ok := m[v.Name]; ok {
		return s
	}
	return v.Default
}

// session is what a client's session remembers here. It begins with the global
// values of that moment; SET GLOBAL does not change sessions that exist.
type session struct {
	globals map[string]string
	own     map[string]string
	account string // CURRENT_USER(); "" when it was not asked for yet
}

func (h *Handler) session(c *protocol.Conn) *session {
	if s, ok := c.Value().(*session); ok {
		return s
	}
	s := &session{globals: *h.vars.known.Load(), own: map[string]string{}}
	c.SetValue(s)
	return s
}

func (s *session) value(v *sysvars.Var) string {
	if t, ok := s.own[v.Name]; ok {
		return t
	}
	return valueIn(s.globals, v)
}

// settings is what the variables say to a job that is submitted now.
type settings struct {
	dxf.Reorg
	priority      string
	errorLimit    int64
	nativeMaxSize int64
}

func (h *Handler) settings(ctx context.Context, s *session) (settings, error) {
	g, err := h.vars.read(ctx)
	if err != nil {
		return settings{}, err
	}
	global := func(name string) string {
		v, _ := sysvars.Lookup(name)
		return valueIn(g, v)
	}
	own := func(name string) string {
		v, _ := sysvars.Lookup(name)
		return s.value(v)
	}
	// Stored values were checked when they were set.
	number := func(text string) int64 {
		n, _ := strconv.ParseInt(text, 10, 64)
		return n
	}
	scope, _ := sysvars.Lookup(sysvars.ServiceScope)
	set := settings{
		Reorg: dxf.Reorg{
			Ingest:        global(sysvars.DDLEnableFastReorg) == "ON",
			Dist:          global(sysvars.EnableDistTask) == "ON",
			Thread:        int(number(own(sysvars.DDLReorgWorkerCnt))),
			BatchSize:     int(number(own(sysvars.DDLReorgBatchSize))),
			MaxWriteSpeed: number(global(sysvars.DDLReorgMaxWriteSpeed)),
			Scope:         h.vars.instanceValue(scope),
		},
		priority:      own(sysvars.DDLReorgPriority),
		errorLimit:    number(global(sysvars.DDLErrorCountLimit)),
		nativeMaxSize: number(global(sysvars.NativeDDLMaxSize)),
	}
	// -1 is automatic, which is no limit where the store is not TiKV.
	set.MaxNodeCount = max(0, int(number(own(sysvars.MaxDistTaskNodes))))
	return set, nil
}

// refusal turns an error of package sysvars into a packet.
func refusal(e *sysvars.Error) *protocol.Error {
	return &protocol.Error{Code: e.Number, State: e.SQLState, Message: e.Message}
}
