package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"dxfproxy/changefeed"
	"dxfproxy/dispatcher"
	"dxfproxy/dxf"
	"dxfproxy/scheduler"
	"dxfproxy/source"
	"dxfproxy/sqlhandler"
	"dxfproxy/store"
	"dxfproxy/sysvars"
)

// node is the parts of one node, wired together.
type node struct {
	self       dxf.Node
	log        *zap.Logger
	store      *store.DB
	front      *relay
	handler    *sqlhandler.Handler
	scheduler  *scheduler.Manager
	dispatcher *dispatcher.Manager // nil: never owner
	feeds      *changefeed.Manager
	waker      *scheduler.Waker // nil: the others find out by polling
	others     atomic.Pointer[[]dxf.Node]
	ahead      atomic.Int64 // how far the store's clock is ahead of ours, in nanoseconds
}

func newNode(cfg config, b backing, db *store.DB, front *relay, log *zap.Logger) (*node, error) {
	uuid, err := newUUID()
	if err != nil {
		return nil, err
	}
	n := &node{
		self:  dxf.Node{ID: cfg.Node, Role: strings.ToLower(cfg.ServiceScope), CPUCount: slots(), UUID: uuid},
		log:   log,
		store: db, front: front,
	}
	n.others.Store(&[]dxf.Node{})
	key, err := b.sealKey(db.Schema())
	if err != nil {
		return nil, err
	}
	rules := cfg.importRules()
	rules.StoreDir, rules.Log = source.StoreDir(db.SQL()), log
	sources, err := source.NewPolicy(rules)
	if err != nil {
		return nil, err
	}
	types := n.openTypes(means{cfg: cfg, key: key, sources: sources})
	n.scheduler = scheduler.NewManager(scheduler.Config{Store: db, Node: n.self, Types: types, Log: log, Finished: n.wake})
	if cfg.RunDDL {
		n.dispatcher = dispatcher.NewManager(dispatcher.Config{Store: db, Node: n.self, Types: types, Log: log, Notify: n.tell})
	}
	n.feeds, err = changefeed.New(db, changefeed.Config{DSN: b.dsn, NodeID: cfg.Node, MetaSchema: db.Schema(), Logger: log})
	if err != nil {
		return nil, err
	}
	n.handler = sqlhandler.New(sqlhandler.Config{
		Store: db.Clients(), SQL: db.SQL(), Meta: db.Meta(), Schema: db.Schema(), Trial: db.Trial(), Scratch: db.ScratchSchema(),
		Node: n.self, Role: n.self.Role,
		Wake: n.wake, SetRole: n.scheduler.SetRole, Key: key, Sources: sources, Log: log,
	})
	front.server.Handler, front.server.KilledElsewhere = n.handler, n.handler.Killed
	if n.waker, err = scheduler.ListenWake(scheduler.WakeConfig{
		Addr: front.listeners[0].Addr().String(), Secret: db.Secret(), UUID: uuid, Now: n.storeTime, Wake: n.wakeHere, Hold: n.holdHere,
	}); err != nil {
		log.Warn("other nodes cannot wake this one, it polls", zap.Error(err))
	}
	return n, nil
}

// cutOverLockWait is the global variable's value; none when it cannot be read.
func (n *node) cutOverLockWait(ctx context.Context) time.Duration {
	vars, err := n.store.GlobalVars(ctx)
	if err != nil {
		n.log.Debug("read global variables", zap.Error(err))
	}
	seconds, _ := strconv.Atoi(vars[sysvars.CutOverLockWait])
	return time.Duration(seconds) * time.Second
}

// run runs all parts until ctx ends or one of them fails. Then nobody new is let
// in, work for jobs is given back, and clients may finish their transactions.
func (n *node) run(ctx context.Context) error {
	defer n.waker.Close()
	serving, stopServing := context.WithCancel(ctx)
	defer stopServing()
	var clients errgroup.Group
	clients.Go(func() error { return n.front.run(serving) })

	work, workCtx := errgroup.WithContext(ctx)
	work.Go(func() error { return n.scheduler.Run(workCtx) })
	work.Go(func() error { return n.feeds.Run(workCtx) })
	work.Go(func() error { return n.handler.Run(workCtx) })
	work.Go(func() error { return n.watchNodes(workCtx) })
	if n.dispatcher != nil {
		work.Go(func() error { return n.dispatcher.Run(workCtx) })
	}
	err := work.Wait()
	stopServing()
	if serveErr := clients.Wait(); err == nil {
		err = serveErr
	}
	return err
}

// watchEvery is how often the list of nodes to wake is read.
const watchEvery = 2 * time.Second

// clockEvery is how often the store's clock is compared with ours, in readings of the
// list of nodes.
const clockEvery = 15

// watchNodes keeps the list of the other nodes, and the store's time.
func (n *node) watchNodes(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for round := 0; ; round++ {
		if round%clockEvery == 0 {
			n.compareClocks(ctx)
		}
		if nodes, err := n.store.Nodes(ctx); err == nil {
			nodes = slices.DeleteFunc(nodes, func(o dxf.Node) bool { return o.ID == n.self.ID })
			n.others.Store(&nodes)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// compareClocks finds out how far the store's clock is ahead of ours.
func (n *node) compareClocks(ctx context.Context) {
	asked := time.Now()
	if now, err := n.store.Now(ctx); err == nil {
		n.ahead.Store(int64(now.Sub(asked.Add(time.Since(asked) / 2))))
	}
}

// storeTime is the store's time, to a few milliseconds.
func (n *node) storeTime() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }

// wake makes all nodes look at the store.
func (n *node) wake() {
	n.wakeHere()
	n.waker.WakeAll(*n.others.Load())
}

// tell makes the nodes look at the store; the dispatcher knows who is there.
func (n *node) tell(nodes []dxf.Node) {
	n.wakeHere()
	n.waker.WakeAll(slices.DeleteFunc(slices.Clone(nodes), func(o dxf.Node) bool { return o.ID == n.self.ID }))
}

func (n *node) wakeHere() {
	if n.dispatcher != nil {
		n.dispatcher.Wake()
	}
	n.scheduler.Wake()
	n.feeds.Wake()
	if n.handler != nil {
		n.handler.Wake()
	}
}

// hold makes all nodes hold back what clients begin, for d; 0 ends it.
func (n *node) hold(d time.Duration) {
	n.waker.HoldAll(*n.others.Load(), d)
	n.holdHere(d)
}

func (n *node) holdHere(d time.Duration) {
	if d > 0 {
		n.front.server.Hold(d)
	} else {
		n.front.server.Release()
	}
}

// newUUID makes a random UUID (RFC 9562, version 4).
func newUUID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make this node's UUID: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:], nil
}
