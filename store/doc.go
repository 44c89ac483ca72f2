// Package store keeps the framework's rows in the MySQL-compatible database
// behind the proxy: tasks, subtasks, jobs, nodes, the owner and the
// changefeeds, in tables with TiDB's names and columns.
//
// Every deadline is set and judged by the store's own clock, NOW(6). Every
// write made under a term or a lease checks it in the transaction that writes,
// so a node that was frozen and wakes up finds no row to change.
//
// Locks are taken in one order everywhere: owner row, task row, subtask rows
// by id, job row, feed row, markers. Transactions are READ COMMITTED, find
// their rows by unique keys, and so never hold a gap.
package store
