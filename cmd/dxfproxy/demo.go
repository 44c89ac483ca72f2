package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"

	"dxfproxy/internal/demo"
)

// demoFlags are the flags of demo.
type demoFlags struct {
	rows int64
	seed uint64
}

func (d *demoFlags) flags() flagGroup {
	g := newGroup("Of demo")
	g.Int64Var(&d.rows, "rows", 1_000_000, "N\trows of the table")
	g.Uint64Var(&d.seed, "seed", 0, "N\tseed of the load and of the kill\tfrom the clock")
	return g
}

// runDemo parses the flags of demo and runs it.
func runDemo(ctx context.Context, args []string, stdout, _ io.Writer) error {
	var d demoFlags
	fs := flagSet(d.flags())
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return err
		}
		return usagef("%s", err)
	}
	if fs.NArg() > 0 {
		return usagef("demo takes no argument, got %s", quote(fs.Arg(0)))
	}
	if d.rows < 1 {
		return usagef("--rows must be at least 1")
	}
	if !fs.Changed("seed") {
		d.seed = uint64(time.Now().UnixNano()) % 1_000_000
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program itself: %w", err)
	}
	return demo.Run(ctx, demo.Config{Binary: binary, Rows: d.rows, Seed: d.seed, Out: stdout})
}
