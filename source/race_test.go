//go:build race

package source_test

// raced: the race detector makes a server in the same process ten times slower.
const raced = true
