//go:build race

package protocol

import "syscall"

// Package syscall's own calls tell the race detector that what one side did
// before it wrote, the other knows when it has read.

func readSocket(fd uintptr, b []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), b)
	return n, errnoOf(err)
}

func writeSocket(fd uintptr, b []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), b)
	return n, errnoOf(err)
}

// errnoOf does not unwrap: package syscall returns bare numbers, and errors.As
// would allocate.
func errnoOf(err error) syscall.Errno {
	errno, _ := err.(syscall.Errno) //nolint:errorlint // see above
	return errno
}
