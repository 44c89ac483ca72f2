package mariadbd

import "errors"

// Errors a caller can give a hint for; test with errors.Is.
var (
	// ErrNoServer: no MariaDB server program, or none of its installer, was found.
	ErrNoServer = errors.New("no MariaDB server is installed (install the package mariadb-server)")

	// ErrInUse: another process runs a server in the directory. The error that
	// wraps it names that process.
	ErrInUse = errors.New("in use")

	// ErrForeign: the directory holds something that this package did not make.
	ErrForeign = errors.New("not a data directory of dxfproxy")

	// ErrNewerData: the data was written by a newer server than the one installed.
	ErrNewerData = errors.New("data of a newer server")

	// ErrNotWritable: the directory cannot be created or written to.
	ErrNotWritable = errors.New("not writable")

	// ErrPortInUse: the port asked for in Config.Port is taken.
	ErrPortInUse = errors.New("port is in use")

	// ErrExited: the server ended although nobody had asked it to. The error
	// that wraps it carries the last lines of the server's log.
	ErrExited = errors.New("server ended unexpectedly")
)
