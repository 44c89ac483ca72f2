// Package relaytest tests the relay in front of each kind of store: MariaDB 10.11
// with all the other tests, and MariaDB 11.8, MySQL 9.7 and TiDB 8.5 with `make
// test-stores`. Every test runs twice, at the store itself and through a node,
// and must pass both times: what a store cannot do is told from what a node
// breaks.
//
// The folder tidb is a Go module that builds tidb-server, nothing else.
package relaytest
