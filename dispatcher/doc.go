// Package dispatcher is the owner's half of the framework: it is elected,
// plans tasks into steps and subtasks, deals the subtasks out to nodes, and
// moves tasks from state to state.
//
// # Who is owner
//
// The store is believed. Its owner row holds the owner, the number of its term
// and the end of its lease by the store's clock. A node becomes owner by a
// conditional update of that row, which begins a new term, and stays owner by
// renewing. Everything written as owner names the term in the transaction that
// writes it, so an owner that does not know yet that it was replaced cannot
// write anything: it gets dxf.ErrNotOwner.
//
// A node trusts itself for less time than the row does, counted from the start
// of its last successful renewal on its own monotonic clock: it steps down
// early rather than late. What happens when
//
//   - the owner stops cleanly: it resigns; the next campaign wins, within 2.5 s.
//   - the owner dies: its lease runs out after 10 s, and the next campaign wins.
//   - the owner cannot reach the store: as when it dies, and it stops working
//     2 s before its lease ends.
//   - the owner is stopped (SIGSTOP) and goes on later: its deadline has
//     passed, which ends its context at once; a write that slips through
//     before names an old term and is refused.
//
// # What the owner does
//
// One pass of the manager reads tasks, nodes and subtasks, decides what is to
// be done with each task (next, admit and rebalance are pure), and lets the
// task's dispatcher do it. Passes run every half second and whenever somebody
// calls Wake. Nothing is remembered between passes but what saves writing
// something twice; a new owner goes on from what is in the store.
package dispatcher
