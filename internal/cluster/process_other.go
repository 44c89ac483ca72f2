//go:build unix && !linux

package cluster

import "syscall"

// childAttr: there is no parent-death signal here.
func childAttr(session bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: session} }
