package mariadbd

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// process is one run of the server program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
	err  error         // how it ended; valid once done is closed
}

// spawn starts cmd so that it does not outlive us, under the account given.
func spawn(cmd *exec.Cmd, as account) (*process, error) {
	cmd.Env = childEnv()
	cmd.SysProcAttr = childAttr(as)
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The parent of a child is the thread that forked it: the kernel sends
		// the parent-death signal when that thread ends, and Go ends threads as
		// it likes. This one is ours until the child is gone, and then others' again:
		// if it ended with us, what they have started on it before would die.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// ended says whether the program has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal asks the program something; one that has ended is not asked.
func (p *process) signal(sig os.Signal) {
	// os.Process keeps track of the pid being ours until Wait has returned.
	_ = p.cmd.Process.Signal(sig)
}

// childEnv is our environment without what a service manager told us alone:
// the server would report itself ready in our name.
func childEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES":
		default:
			env = append(env, kv)
		}
	}
	return env
}
