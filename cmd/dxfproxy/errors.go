package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"dxfproxy/mariadbd"
	"dxfproxy/store"
)

// listenError is an address that cannot be listened on.
type listenError struct {
	addr string
	err  error
}

func (e listenError) Error() string { return fmt.Sprintf("listen on %s: %s", e.addr, cause(e.err)) }
func (e listenError) Unwrap() error { return e.err }

// cause is the innermost reason of a network error, in the system's words.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// hintFor is the next step for errors that have one.
func hintFor(err error) string {
	var l listenError
	var open errPasswordless
	switch {
	case errors.Is(err, errSysUser):
		return "give the account what it needs, or name another with --user"
	case errors.As(err, &open):
		return open.mend()
	case errors.Is(err, errCertificate):
		return "see --tls-cert, --tls-key, --tls-ca and --store-ca"
	case errors.Is(err, mysql.ErrNoTLS):
		return "give the store a certificate, or see --store-tls"
	case errors.As(err, &l) && strings.Contains(l.addr, "/"):
		return "another program listens there, or you may not write there; name another path with --socket"
	case errors.As(err, &l) && errors.Is(err, syscall.EADDRINUSE):
		return "another program listens there; stop it, or name another address with --listen"
	case errors.As(err, &l):
		return "name an address of this machine with --listen, host:port"
	case errors.Is(err, mariadbd.ErrInUse):
		return "stop the other node, or name another directory with --data-dir"
	case errors.Is(err, mariadbd.ErrNotWritable):
		return "name a directory you may write to with --data-dir"
	case errors.Is(err, mariadbd.ErrForeign):
		return "name an empty or new directory with --data-dir"
	case errors.Is(err, mariadbd.ErrNoServer):
		return "install it, or name a running store with --store user:password@tcp(host:port)/"
	case errors.Is(err, mariadbd.ErrNewerData):
		return "install the newer server again, or name another directory with --data-dir"
	case errors.Is(err, store.ErrUnreachable):
		return "start it, or name another with --store"
	case errors.Is(err, store.ErrAccessDenied):
		return "check user and password in --store user:password@tcp(host:port)/"
	case errors.Is(err, store.ErrNoRights):
		return "dxfproxy check --grants with the same flags prints the statements that give the accounts what they need"
	case errors.Is(err, store.ErrStatementLog):
		return "SET GLOBAL binlog_format = ROW, and see dxfproxy check for what else jobs need"
	case errors.Is(err, store.ErrUnsupported):
		return "use MariaDB 10.11 or later, or MySQL 9.7"
	case errors.Is(err, store.ErrNameTaken):
		return "name this one with --node host:port, as the others reach it"
	case errors.Is(err, store.ErrNewerSchema):
		return "run the newer dxfproxy, or name another schema with --meta-schema"
	}
	return ""
}
