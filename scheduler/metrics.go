package scheduler

import "sync/atomic"

// counters of one manager; they only grow.
type counters struct {
	leased      atomic.Int64
	succeeded   atomic.Int64
	failed      atomic.Int64
	canceled    atomic.Int64
	paused      atomic.Int64
	released    atomic.Int64
	lost        atomic.Int64
	retried     atomic.Int64
	panics      atomic.Int64
	heartbeats  atomic.Int64
	heartFailed atomic.Int64
	registered  atomic.Int64
	running     atomic.Int64
}

// Counts is a reading of a manager's counters since it was made; Running alone
// may fall.
type Counts struct {
	Leased           int64
	Succeeded        int64
	Failed           int64
	Canceled         int64
	Paused           int64
	Released         int64 // given back, at stopping or found without an owner
	Lost             int64 // stopped because the lease was or might be gone
	Retried          int64 // runs that ended in a retryable error
	Panics           int64
	Heartbeats       int64 // that succeeded
	HeartbeatsFailed int64
	Registered       int64 // more than once: the registration had run out
	Running          int64 // subtasks now
}

func (c *counters) snapshot() Counts {
	return Counts{
		Leased:           c.leased.Load(),
		Succeeded:        c.succeeded.Load(),
		Failed:           c.failed.Load(),
		Canceled:         c.canceled.Load(),
		Paused:           c.paused.Load(),
		Released:         c.released.Load(),
		Lost:             c.lost.Load(),
		Retried:          c.retried.Load(),
		Panics:           c.panics.Load(),
		Heartbeats:       c.heartbeats.Load(),
		HeartbeatsFailed: c.heartFailed.Load(),
		Registered:       c.registered.Load(),
		Running:          c.running.Load(),
	}
}
