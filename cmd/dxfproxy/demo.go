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

// runDemo parses the flags of demo and runs it.
func runDemo(ctx context.Context, args []string, stdout, _ io.Writer) error {
	fs := pflag.NewFlagSet("demo", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	rows := fs.Int64("rows", 1_000_000, "")
	seed := fs.Uint64("seed", uint64(time.Now().UnixNano())%1_000_000, "")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return err
		}
		return usagef("%s", err)
	}
	if fs.NArg() > 0 {
		return usagef("demo takes no argument, got %s", quote(fs.Arg(0)))
	}
	if *rows < 1 {
		return usagef("--rows must be at least 1")
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program itself: %w", err)
	}
	return demo.Run(ctx, demo.Config{Binary: binary, Rows: *rows, Seed: *seed, Out: stdout})
}
