package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// Shape of --help, in characters.
const (
	helpWidth  = 80
	helpColumn = 29 // where meanings begin
)

const helpHead = `dxfproxy - ADD INDEX and IMPORT INTO as distributed jobs on MariaDB and MySQL

Clients connect to a node instead of the store; the nodes share the work.

  dxfproxy [serve] [flags]   run one node
  dxfproxy check [flags]     what the store lacks for jobs, and how to mend it
  dxfproxy check --grants    the SQL that makes the accounts of nodes
  dxfproxy demo [flags]      store, three nodes, live load, an index, an import
  dxfproxy version           print the version

A flag may also come from the environment (DXFPROXY_STORE) or from the file of
--config. Passwords belong there, or into --store-file.
`

const helpTail = `
Example:
  dxfproxy serve &
  mariadb --defaults-extra-file=dxfproxy-data/client.cnf
  > ALTER TABLE test.orders ADD INDEX by_day (created_at);
  > ADMIN SHOW DDL JOBS;
`

// printHelp writes the whole help, made of the flags that there are.
func printHelp(w io.Writer) {
	var g grantFlags
	var d demoFlags
	groups := append(new(config).flags(), g.flags(), d.flags())
	fmt.Fprint(w, helpHead)
	for _, g := range groups {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		g.VisitAll(func(f *pflag.Flag) { fmt.Fprint(w, helpOf(f)) })
	}
	fmt.Fprint(w, helpTail)
}

// helpOf is a flag's lines.
func helpOf(f *pflag.Flag) string {
	value, meaning, unset := describe(f)
	left := strings.TrimRight("  --"+f.Name+" "+value, " ")
	if unset != "" {
		meaning += " (" + unset + ")"
	}
	margin := "\n" + strings.Repeat(" ", helpColumn)
	text := strings.Join(wrap(meaning, helpWidth-helpColumn), margin) + "\n"
	if len(left) < helpColumn {
		return fmt.Sprintf("%-*s%s", helpColumn, left, text)
	}
	return left + margin + text
}

// wrap breaks a text into lines of a width.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
