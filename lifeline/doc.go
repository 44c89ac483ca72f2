// Package lifeline makes a node's connections to its store, and finds out which of
// them are dead.
//
// A firewall that has lost its state, or a switch that died, swallows packets without a
// word: both ends believe in a connection over which nothing will come any more, while new
// ones work. Time alone cannot tell that from an index build of an hour. So a
// connection that waits for an answer for more than a moment is asked about, over a connection
// of its own: if the server, on its side, waits for us, then what one of us
// has sent is lost. The connection ends, here and (by KILL) there, where its locks would
// else outlive it by hours. That takes about four seconds, whatever the statement
// was, and needs no limit for statements.
//
// What has to be found by the kernel, an end that does not even acknowledge bytes, it finds
// within its own limits (socket_linux.go).
//
// Every session is set up alike, whatever the server's global variables say (setup.go).
package lifeline
