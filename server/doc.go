// Package server is one database server as we see it: whose it is and which one, what it
// and our account on it allow, a session with it and what its other sessions do, a place in
// its binlog, and what its errors mean to whoever meets one.
//
// # Errors
//
// Error numbers have their names in numbers.go, all of them and nowhere else. Each question
// about an error has one answer, for whatever does a job's work: Passes and Lost say
// whether it is worth trying again, ClientError what the client is told.
//
// # Who stands on it
//
// It knows nothing of ours but dxf, for the errors that clients get. Package table is one
// user's table on such a server, and lifeline makes the connections that a node has with
// its store: both use this package, and it neither of them.
package server
