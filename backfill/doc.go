// Package backfill is the task type "backfill": a change of a table's definition that takes
// long. It holds the type whole: what a task of it remembers (Meta), its steps, who plans
// them on the owner (Planner) and who does them on every node (Worker).
//
//	init → copy → build → [verify →] cutover → done
//	init → native → done
//
// A copy goes into an empty table of the wanted definition, the shadow, while the changefeed
// applies to it what clients write to the table. When the shadow has all rows and all indexes
// and both tables have been compared, it takes the table's name. The native way is the
// store's own statement, made when nobody is hurt by it.
//
// A duplicate in a new unique index ends the job: one that is in the table where the indexes
// are built (executor/buildindexes.go), one that a client writes from then on in the changefeed
// (changefeed/duplicate.go). Package server makes the client's error of both.
//
// No acknowledged write is lost by it, and no client waits for longer than the exchange of
// the names takes. What makes that so is said in package executor, whose rules every step
// here keeps.
package backfill
