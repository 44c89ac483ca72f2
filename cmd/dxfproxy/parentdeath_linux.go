package main

import (
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// parentDeath is the signal that the kernel sends us when our parent dies, 0 for none. It
// belongs to the first thread, on which variables are initialised.
var parentDeath = func() int {
	var sig int32
	if err := unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&sig)), 0, 0, 0); err != nil {
		return 0
	}
	return int(sig)
}()

var parent = os.Getppid()

// keepParentDeath asks for the signal once more: the kernel forgets it when a process
// changes its user (prctl(2)). It is kept for a thread, so that one stays for ever.
func keepParentDeath(sig int) error {
	if sig == 0 {
		return nil
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(sig), 0, 0, 0)
		select {}
	}()
	err := <-done
	if err == nil && os.Getppid() != parent {
		return errors.New("our parent has died")
	}
	return err
}
