package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// listen opens the node's listeners: an address, and a Unix socket if one is
// named.
func listen(addr, socket string) ([]net.Listener, error) {
	tcp, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, listenError{addr, err}
	}
	if socket == "" {
		return []net.Listener{tcp}, nil
	}
	unix, err := listenUnix(socket)
	if err != nil {
		tcp.Close()
		return nil, listenError{socket, err}
	}
	return []net.Listener{tcp, unix}, nil
}

func closeAll(listeners []net.Listener) {
	for _, ln := range listeners {
		ln.Close()
	}
}

// listenUnix takes the place of a socket that nobody listens on any more. Who
// may log in is the store's business, so everybody may connect.
func listenUnix(path string) (net.Listener, error) {
	ln, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		ln, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

func abandoned(path string) bool {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return false
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
