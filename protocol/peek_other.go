//go:build !linux

package protocol

import "net"

// quiet cannot tell here: what it is asked about is not used again.
func quiet(net.Conn) bool { return false }

// wasReset cannot tell either.
func wasReset(net.Conn) bool { return false }

// atEnd cannot tell here: the next read will.
func (c *Conn) atEnd() bool { return false }
