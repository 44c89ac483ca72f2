package cluster

import "syscall"

// childAttr lets a node die with the program that started it: one that was
// killed cannot stop its nodes any more, a frozen one of which would stay for
// ever. Ctrl-C reaches the nodes by themselves, as it does us, unless they have a
// session of their own.
func childAttr(session bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: session}
}
