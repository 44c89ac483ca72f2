// Package dxf is the vocabulary of the Distributed eXecution Framework: tasks,
// steps, subtasks, nodes, jobs, their states and the legal moves between them.
// It has no I/O; the packages that act (dispatcher, scheduler, executor, store)
// speak to each other in these words, which are those of TiDB's manual.
package dxf
