// Package importinto is the task type "ImportInto": files into an empty table. It holds the
// type whole: what a task of it remembers (Meta), its steps, who plans them on the owner
// (Planner) and who does them on every node (Worker).
//
//	init → [probe →] import → build → post-process → publish → done
//
// The rows of each piece of a file are loaded into a staging table, chunk by chunk, in
// transactions that save how far they came. The staging table gets its indexes when it has
// all rows, they are counted against the files, and it takes the table's name.
//
// Nothing is in the table before all of it is; rows are loaded once, whoever dies meanwhile.
package importinto
