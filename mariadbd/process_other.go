//go:build unix && !linux

package mariadbd

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// childAttr: a session of its own, for a Ctrl-C at our terminal is meant for us.
// There is no parent-death signal here; a server left behind is stopped by the
// next start.
func childAttr(as account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Credential: as.credential()}
}

// commands lists the running processes with their arguments, cut at spaces.
func commands() map[int][]string {
	found := map[int][]string{}
	text, err := exec.Command("ps", "-axww", "-o", "pid=,command=").Output()
	if err != nil {
		return found
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if pid, err := strconv.Atoi(fields[0]); err == nil {
			found[pid] = fields[1:]
		}
	}
	return found
}
