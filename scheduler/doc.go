// Package scheduler is every node's half of the framework: it registers the
// node and keeps it alive, leases the subtasks bound to it into free slots,
// runs them through the worker of their type, and writes how they ended.
//
// # Who may work on a subtask
//
// The store is believed. A subtask's row names the node and the epoch of its
// lease; everything written under a lease checks both in the same transaction,
// so work that goes on after its lease was given to another node cannot do
// harm. It is also stopped as soon as may be: each running subtask has a
// context of its own that ends with a cause.
//
//   - dxf.ErrCancelled: the task is being reverted.
//   - dxf.ErrPaused: the task is being paused.
//   - dxf.ErrLeaseLost: the subtask is bound to another node or epoch by now,
//     or it may be: the last heartbeat that succeeded began so long ago, on
//     this node's own monotonic clock, that the lease could have run out.
//   - context.Canceled: the node stops and its grace is over.
//
// Rows that say this node is running a subtask that it is not running (it was
// started again on the same address, gave up a lease that nobody took, or lost
// the answer of the store) are given back and leased afresh.
//
// Polling is the truth: every 300 ms the node reads what is bound to it.
// Wake, and the datagrams of Waker, only make it look sooner.
package scheduler
