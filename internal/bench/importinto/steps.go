package main

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"dxfproxy/internal/cluster"
)

var planned = regexp.MustCompile(`(?m)^(\S+)\s+INFO\s+(?:step planned|task moved)\s.*"step": "([^"]+)"`)

// steps reads from the nodes' logs how long each step of the import took that
// began after began and has ended now.
func steps(nodes []*cluster.Node, began, ended time.Time) (string, error) {
	type step struct {
		at   time.Time
		name string
	}
	var all []step
	for _, n := range nodes {
		log, err := os.ReadFile(n.Log)
		if err != nil {
			return "", err
		}
		for _, m := range planned.FindAllStringSubmatch(string(log), -1) {
			at, err := time.Parse(time.RFC3339, m[1])
			if err != nil {
				return "", fmt.Errorf("log of %s: %w", n.Name, err)
			}
			if at.After(began.Truncate(time.Millisecond)) {
				all = append(all, step{at, m[2]})
			}
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	slices.SortStableFunc(all, func(a, b step) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.name, b.name)) })
	parts := []string{fmt.Sprintf("begin %.1f", all[0].at.Sub(began).Seconds())}
	for i, s := range all {
		end := ended
		if i+1 < len(all) {
			end = all[i+1].at
		}
		if s.name == "done" {
			s.name = "end"
		}
		parts = append(parts, fmt.Sprintf("%s %.1f", s.name, end.Sub(s.at).Seconds()))
	}
	return strings.Join(parts, ", "), nil
}
