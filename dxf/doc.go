// Package dxf is the vocabulary of the Distributed eXecution Framework: tasks,
// steps, subtasks, nodes, jobs, their states and the legal moves between them.
// It has no I/O; the packages that act (dispatcher, scheduler, executor, store)
// speak to each other in these words, which are those of TiDB's manual.
//
// A Type is what these packages know of a kind of task, and all that they know: they
// ask its fields and its Planner and Worker, and read of a task's meta the MetaHead.
// What is one type's own is in its package (backfill, importinto), which they do not import.
package dxf
