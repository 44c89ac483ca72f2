// Package table knows one user table: its columns and keys, how its key space
// is cut into ranges that can speak SQL, what its definition says, which names
// its shadow and its former self have, and whether it can be copied while it
// is in use.
//
// # Ranges
//
// A Range is a value: the key's columns, a lower bound that is exclusive and
// an upper bound that is inclusive, either of them open. It prints itself as a
// predicate, with literals that mean the same under every session setting, and
// travels as JSON. The Pieces of a table touch without
// overlapping, and the first and last are open, so that together they hold
// every row there will ever be.
//
// # Names
//
// RENAME TABLE takes its metadata locks in the byte order of the names. The
// shadow (t__dxf7_new) and the old table (t__dxf7_old) therefore sort after
// the table itself: the rename of a cut-over queues on the table first, and no
// write can slip in between.
//
// # Definitions
//
// What the user's statement does to a table is found by doing it to an empty
// copy and reading SHOW CREATE TABLE of both. No statement is parsed and
// printed again; the store's own text says which indexes are to be built.
package table
