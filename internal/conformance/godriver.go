package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
)

// godriverReasons are tests of go-sql-driver/mysql that differ, and why they may.
//
//go:embed godriver_reasons.txt
var godriverReasons string

// godriverLeftOut is not run: it dials an address on the Internet and wants to
// wait in vain.
const godriverLeftOut = "^TestConnectorReturnsTimeout$"

// goDriver runs the tests of go-sql-driver/mysql, in the version of go.mod.
func (r *run) goDriver(ctx context.Context) (verdict, error) {
	var ways []outcomes
	err := r.withNode(ctx, func(store, node string) error {
		if err := statements(ctx, store, "CREATE DATABASE gotest", "SET GLOBAL local_infile = ON"); err != nil {
			return err
		}
		for i, addr := range []string{store, node} {
			cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-json", "-skip", godriverLeftOut, "github.com/go-sql-driver/mysql")
			cmd.Env = append(os.Environ(), "MYSQL_TEST_PROT=tcp", "MYSQL_TEST_ADDR="+addr,
				"MYSQL_TEST_USER=root", "MYSQL_TEST_PASS=", "MYSQL_TEST_DBNAME=gotest", "MYSQL_TEST_CONCURRENT=1")
			out, err := cmd.Output() // a failed test is no error of ours
			r.log(fmt.Sprintf("godriver-%d.json", i+1), out)
			ended := goTests(out)
			if bytes.Contains(out, []byte(`"Output":"panic: `)) || len(ended) < 50 {
				return fmt.Errorf("the tests did not run to their end: %w\n%s", err, out)
			}
			ways = append(ways, ended)
		}
		return nil
	})
	if err != nil {
		return verdict{}, err
	}
	return compare(ways[0], ways[1], reasons(godriverReasons)), nil
}

// goTests reads what `go test -json` prints.
func goTests(out []byte) outcomes {
	ended := outcomes{}
	for line := range bytes.Lines(out) {
		var event struct{ Action, Test string }
		if json.Unmarshal(line, &event) == nil && event.Test != "" && slices.Contains([]string{"pass", "fail", "skip"}, event.Action) {
			ended[event.Test] = event.Action
		}
	}
	return ended
}

// port is the port in an address.
func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}
