package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProcessors(t *testing.T) {
	p := processors{now: 16, most: 16}
	look := func(times int, used float64, jobs bool) int {
		n := 0
		for range times {
			n = p.next(used, jobs)
		}
		return n
	}
	require.Equal(t, 16, look(processorsQuiet-1, 0.1, false), "not at once")
	require.Equal(t, 15, look(1, 0.1, false))
	require.Equal(t, 1, look(16*processorsQuiet, 0.1, false))
	require.Equal(t, 1, look(100, 0.85, false))
	require.Equal(t, 2, look(1, 0.1, true), "jobs have one of their own")
	require.Equal(t, 2, look(100, 0.1, true))
	require.Equal(t, 1, look(processorsQuiet, 0.1, false))
	require.Equal(t, 2, look(1, 0.95, false), "at once")
	require.Equal(t, 2, look(100, 0.85, false), "as many as are needed")
	require.Equal(t, 4, look(1, 3, false))
	require.Equal(t, 4, look(processorsQuiet-1, 2, false))
	require.Equal(t, 4, look(1, 3, false), "counted anew")
	require.Equal(t, 4, look(processorsQuiet-1, 2, false))
	require.Equal(t, 16, look(1, 15, false))
	require.Equal(t, 16, look(1, 16, false), "no more than there are")

	p = processors{now: 1, most: 1}
	require.Equal(t, 1, look(1, 1, true), "there is but one")
}
