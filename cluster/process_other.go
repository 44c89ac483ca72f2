//go:build unix && !linux

package cluster

import "syscall"

// childAttr: there is no parent-death signal here.
func childAttr() *syscall.SysProcAttr { return nil }
