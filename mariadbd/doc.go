// Package mariadbd runs a private MariaDB server: the node's embedded store,
// and the real server that tests work against.
//
// Start owns one directory:
//
//	dxfproxy.lock   held with flock(2) for as long as the server runs; holds our pid
//	data/           the server's data directory, made in data.new and renamed when complete
//	tmp/            the server's scratch space; emptied at every start
//	mariadbd.log    what the server wrote
//	mariadbd.port   the port of the last run, taken again when it is free
//	client.cnf      root's password, for its clients; mode 600
//	store.dsn       by what account nodes come, and its password; mode 600
//
// The server listens on a loopback port and on a socket of its own. root has a
// password made at random (Config.RootPassword), for a loopback port is open to every account
// of the machine; in tests it has none.
//
// A server never outlives its node. The kernel kills it when the node dies, and
// a server that was left behind all the same is found by its data directory on
// the next start and stopped before its data is touched.
package mariadbd
