package cluster

import "syscall"

// childAttr lets a node die with the program that started it: one that was
// killed cannot stop its nodes any more, a frozen one of which would stay for
// ever. A session of its own is what a service has: Linux shares processors
// between sessions first (sched(7), autogroup), and Ctrl-C is ours to pass on.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
}
