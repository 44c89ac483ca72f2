package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptArguments prints what others on the machine see of a node's arguments.
func scriptArguments(ts *testscript.TestScript, _ bool, args []string) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", startedBy(ts).nodes[args[0]].cmd.Process.Pid))
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), strings.ReplaceAll(string(line), "\x00", " "))
}

// scriptWrite writes words to a file.
func scriptWrite(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(args[1:], " ")+"\n"), 0o600))
}

// scriptRun runs a script of statements, a line each.
func scriptRun(ts *testscript.TestScript, _ bool, args []string) {
	db := openNode(ts, args[0])
	defer db.Close()
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		if strings.HasPrefix(line, "--") {
			continue
		}
		if _, err := db.Exec(line); err != nil {
			ts.Fatalf("%s: %v", line, err)
		}
	}
}
