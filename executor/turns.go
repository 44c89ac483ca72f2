package executor

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"time"

	"dxfproxy/table"
)

// turnPatience is how long a chunk waits for its turn before it goes ahead
// without: a node that froze in its turn must not hold up the others.
//
// Some may keep their turn for as long as they like: a user's trigger can sleep in one.
// So whoever has waited in vain is followed by others of its node who wait less, until
// one of them has a turn again.
const (
	turnPatience  = 5 * time.Second
	leastPatience = 20 * time.Millisecond
)

const turnWait = 10 * time.Millisecond

// Turns lets as many chunks be written in the store at once as it has processors,
// whichever nodes and jobs they are of. More get into each other's way there. A turn is
// an advisory lock of the chunk's session, so it ends with the session at worst.
type Turns struct {
	names []string // any of them will do; none: no bound is known
	held  string
	kept  *patience
}

// patience is for how long the chunks of a node wait for turns that others do not give.
type patience struct {
	mu       sync.Mutex
	patience map[string]time.Duration // by name, "" for any of all; none: turnPatience
}

// until is how long to wait for a turn.
func (k *patience) until(name string) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if d, ok := k.patience[name]; ok {
		return d
	}
	return turnPatience
}

// learn keeps whether there was a turn within the time waited.
func (k *patience) learn(name string, waited time.Duration, got bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if got {
		delete(k.patience, name)
		return
	}
	if k.patience == nil {
		k.patience = map[string]time.Duration{}
	}
	k.patience[name] = max(waited/8, leastPatience)
}

// querier is what a chunk asks for its turn on: its session, or the transaction that is
// open on that session, if there is one. It must not be the session then: when
// database/sql finds a session dead it closes it, and closing waits for the end of the
// transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Turns are those of these names.
func (w *Worker) Turns(names []string) Turns {
	for i, name := range names {
		names[i] = w.Secret.Lock(name)
	}
	return Turns{names: names, kept: &w.kept}
}

// TurnNames are all turns of a store with so many processors, one of them first.
func TurnNames(processors, first int) []string {
	var names []string
	for i := range processors {
		names = append(names, table.TurnName((first+i)%processors))
	}
	return names
}

// ChunkTurns are the turns that a job's chunks take. InnoDB of MariaDB keeps the
// counter of an AUTO_INCREMENT column on the root page, which every insert
// latches: two at a time took 4.7 s of two processors for what one alone did in
// 5.1 s, so such a job has one turn, and other jobs most likely another.
func ChunkTurns(job int64, subtask, processors int, shadow *table.Info) []string {
	if processors > 0 && shadow.AutoIncrementColumn() != "" {
		return TurnNames(processors, int(job%int64(processors)))[:1]
	}
	return TurnNames(processors, subtask)
}

// Take waits for a turn.
func (t *Turns) Take(ctx context.Context, on querier) error {
	if len(t.names) == 0 {
		return nil
	}
	patience := t.Patience()
	got, err := t.wait(ctx, on, patience)
	if err == nil {
		t.kept.learn(t.kind(), patience, got)
	}
	return err
}

// kind is the turn that is waited for; "" for any of all.
func (t *Turns) kind() string {
	if len(t.names) == 1 {
		return t.names[0]
	}
	return ""
}

// Patience is how long to wait for it.
func (t *Turns) Patience() time.Duration { return t.kept.until(t.kind()) }

// Waited keeps how long a batch has waited with so much patience: all of it, if there was
// no turn.
func (t *Turns) Waited(took, patience time.Duration) {
	if len(t.names) > 0 {
		t.kept.learn(t.kind(), patience, took < patience*9/10)
	}
}

// wait waits for a turn, not longer than patience.
func (t *Turns) wait(ctx context.Context, on querier, patience time.Duration) (got bool, err error) {
	if len(t.names) == 1 {
		return t.try(ctx, on, t.names[0], patience)
	}
	for start := time.Now(); time.Since(start) < patience; {
		for _, name := range t.names {
			if ok, err := t.try(ctx, on, name, 0); err != nil || ok {
				return ok, err
			}
		}
		// Whichever is free first: not to wait for one for long while another is.
		if ok, err := t.try(ctx, on, t.names[0], turnWait); err != nil || ok {
			return ok, err
		}
		t.names = append(t.names[1:], t.names[0])
	}
	return false, nil
}

// turnRounds are how many seconds a batch waits for one of the turns and then for the next,
// all in all about turnPatience.
var turnRounds = []float64{0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56}

// turnsAsked is how many turns a batch asks for at most.
const turnsAsked = 8

// TakeSQL waits for a turn in a batch: any that is free, else for each a while.
func (t *Turns) TakeSQL(patience time.Duration) string {
	names := t.names[:min(len(t.names), turnsAsked)]
	if len(names) == 0 {
		return "DO 0"
	}
	if len(names) == 1 {
		return fmt.Sprintf("DO GET_LOCK('%s', %g)", names[0], patience.Seconds())
	}
	var tries []string
	left := patience.Seconds()
	for i, wait := range turnRounds {
		if wait = min(wait, left); i > 0 && wait <= 0 {
			break
		}
		left -= wait
		for _, name := range names {
			if name != names[i%len(names)] || wait == 0 {
				tries = append(tries, fmt.Sprintf("GET_LOCK('%s', 0)", name))
			}
		}
		if wait > 0 {
			tries = append(tries, fmt.Sprintf("GET_LOCK('%s', %g)", names[i%len(names)], wait))
		}
	}
	return "DO " + strings.Join(tries, " OR ")
}

// GiveSQL ends the turn of a batch, whichever it had.
func (t *Turns) GiveSQL() string {
	var all []string
	for _, name := range t.names[:min(len(t.names), turnsAsked)] {
		all = append(all, "RELEASE_LOCK('"+name+"')")
	}
	if all == nil {
		return "DO 0"
	}
	return "DO " + strings.Join(all, ", ")
}

// try takes one lock, if it is free within wait.
func (t *Turns) try(ctx context.Context, on querier, name string, wait time.Duration) (bool, error) {
	var got sql.NullInt64
	if err := on.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?)", name, wait.Seconds()).Scan(&got); err != nil {
		return false, fmt.Errorf("wait for a turn: %w", err)
	}
	if got.Int64 != 1 {
		return false, nil
	}
	t.held = name
	return true, nil
}

// Give ends the turn. When it cannot, the session is gone, and the turn with it.
func (t *Turns) Give(ctx context.Context, on querier) {
	if t.held == "" {
		return
	}
	_, _ = on.ExecContext(ctx, "DO RELEASE_LOCK(?)", t.held)
	t.held = ""
}
