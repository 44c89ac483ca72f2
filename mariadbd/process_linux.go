package mariadbd

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// childAttr: a session of its own, for a Ctrl-C at our terminal is meant for us,
// and death with us. The signal is KILL because only that one is certain to end
// a server in every state; recovering from it is what the redo log is for.
func childAttr(as account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Setsid:     true,
		Pdeathsig:  syscall.SIGKILL,
		Credential: as.credential(),
	}
}

// commands lists the running processes with their arguments.
func commands() map[int][]string {
	found := map[int][]string{}
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		// A process that is gone, or dead and not yet reaped, has no arguments.
		text, err := os.ReadFile(file)
		if text = bytes.TrimRight(text, "\x00"); err != nil || len(text) == 0 {
			continue
		}
		var args []string
		for _, arg := range bytes.Split(text, []byte{0}) {
			args = append(args, string(arg))
		}
		found[pid] = args
	}
	return found
}
