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

// turnPatience is how long a chunk waits for its turn before it goes ahead without one: a node
// that froze in its turn must not hold up the others. As a turn may also be kept for long
// by a user's trigger that sleeps, the chunks of a node that come after one which has
// waited in vain wait less, down to leastPatience, until one of them gets a turn again.
const (
	turnPatience  = 5 * time.Second
	leastPatience = 20 * time.Millisecond
)

// turnWait is how long a chunk waits for one turn while it would take any of several.
const turnWait = 10 * time.Millisecond

// Turns are what a session takes before it writes a chunk: Take before, Give afterwards, or
// TakeSQL and GiveSQL for who sends the whole chunk as one text. There are as many turns in
// the store as it has processors, for the chunks of all nodes and jobs, because more chunks
// at once get into each other's way. A turn is an advisory lock of the chunk's session,
// so at worst it ends with the session.
type Turns struct {
	names []string // any of them will do; none: nobody knows how many processors there are
	held  string   // the one that Take has got; "": none
	kept  *patience
}

// A patience is how long the chunks of a node wait for turns.
type patience struct {
	mu     sync.Mutex
	byName map[string]time.Duration // of Turns.kind; where there is none: turnPatience
}

// until is how long to wait for a turn.
func (k *patience) until(name string) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if d, ok := k.byName[name]; ok {
		return d
	}
	return turnPatience
}

// learn is told whether there was a turn within the time waited.
func (k *patience) learn(name string, waited time.Duration, got bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if got {
		delete(k.byName, name)
		return
	}
	if k.byName == nil {
		k.byName = map[string]time.Duration{}
	}
	k.byName[name] = max(waited/8, leastPatience)
}

// A querier is a session, or the transaction that is open on it. As long as there is one it must be
// the transaction: when database/sql finds a session dead it closes it, and closing waits for
// the end of the transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Turns are the turns of these names (TurnNames, ChunkTurns), any of which will do.
func (w *Worker) Turns(names []string) Turns {
	for i, name := range names {
		names[i] = w.Secret.Lock(name)
	}
	return Turns{names: names, kept: &w.kept}
}

// TurnNames names all turns of a store with so many processors. Whoever passes another first
// begins with another, so that not all ask for the same one.
func TurnNames(processors, first int) []string {
	var names []string
	for i := range processors {
		names = append(names, table.TurnName((first+i)%processors))
	}
	return names
}

// ChunkTurns names the turns that the chunks of a subtask take, which go into the table into. If
// that has an AUTO_INCREMENT column there is one turn for the whole job, and most likely
// another one for each other job: InnoDB of MariaDB keeps the column's counter on the root
// page, which every insert latches, so two chunks at a time took 4.7 s of two processors
// for what one alone did in 5.1 s.
func ChunkTurns(job int64, subtask, processors int, into *table.Info) []string {
	if processors > 0 && into.AutoIncrementColumn() != "" {
		return TurnNames(processors, int(job%int64(processors)))[:1]
	}
	return TurnNames(processors, subtask)
}

// Take waits for a turn, and does without one when it has waited for Patience.
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

// kind is the turn that is waited for; "" for any of several.
func (t *Turns) kind() string {
	if len(t.names) == 1 {
		return t.names[0]
	}
	return ""
}

// Patience is how long to wait for a turn.
func (t *Turns) Patience() time.Duration { return t.kept.until(t.kind()) }

// Waited is told how long a batch with TakeSQL(patience) took to get its turn: as long as
// patience, if there was none.
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

// turnRounds are the waits of TakeSQL in seconds: in each round for another one of the turns. All
// together they are about turnPatience.
var turnRounds = []float64{0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56}

// turnsAsked is how many turns a batch asks for at most.
const turnsAsked = 8

// TakeSQL is Take as a statement of a batch: it takes any turn that is free, else it waits for
// each of them a while, all in all for patience.
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

// GiveSQL is Give as a statement of a batch.
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
