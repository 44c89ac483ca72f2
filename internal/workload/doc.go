// Package workload writes to a table under a seed and remembers what the
// database acknowledged, so that afterwards every row can be compared with what
// it must be. The demo and the fault tests stand on it: a lost row, a doubled
// row or a stale value cannot hide from it.
//
// A row's content is a function of its id and version alone, so the memory of
// the load is one number per changed row. Each writer owns its own ids: what it
// reads back after a broken connection is therefore the truth about its own
// last commit.
package workload
