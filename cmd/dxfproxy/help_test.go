package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// TestHelp: the help fits a terminal of 80 columns, every flag says what it means, and the
// manual has each of them.
func TestHelp(t *testing.T) {
	var out bytes.Buffer
	printHelp(&out)
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), helpWidth, line)
	}
	manual, err := os.ReadFile("../../docs/flags.md")
	require.NoError(t, err)
	var g grantFlags
	var d demoFlags
	flagSet(append(new(config).flags(), g.flags(), d.flags())...).VisitAll(func(f *pflag.Flag) {
		value, meaning, _ := describe(f)
		require.NotEmpty(t, meaning, f.Name)
		require.Contains(t, out.String(), strings.TrimSpace("--"+f.Name+" "+value))
		require.Contains(t, string(manual), "`"+strings.TrimSpace("--"+f.Name+" "+value)+"`")
	})
}
