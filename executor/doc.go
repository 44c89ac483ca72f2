// Package executor is what all task types share: the half of a planner (Planner) and of a worker
// (Worker, and a Run for each subtask) that is the same for every type, sessions that hold a
// job's locks, the exchange of two tables' names (Exchange), turns and sizes of chunks (Turns,
// ChunkSizer, Pace), and the building of indexes.
//
// Everything may run twice: a subtask that was interrupted starts again
// from its checkpoint, on this node or another. Three rules keep that safe.
//
//   - Rows are written in the transaction that saves the checkpoint, and that
//     is refused when the lease is over.
//   - Definitions are changed on a session that holds the job's advisory lock.
//     A successor gets the lock only when the server has ended that session.
//   - What was done is decided by what is there (index lines, table names),
//     never by what an interrupted statement would have answered.
//
// No client of the table ever waits long for us, and none gets a deadlock
// error because of us: chunks take their row locks without waiting, and table
// locks are asked for with short timeouts.
package executor
