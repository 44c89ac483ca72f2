package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProcessors(t *testing.T) {
	p := processors{now: 16, most: 16}
	look := func(times int, used float64) int {
		n := 0
		for range times {
			n = p.next(used)
		}
		return n
	}
	require.Equal(t, 16, look(processorsQuiet-1, 0.1), "not at once")
	require.Equal(t, 15, look(1, 0.1))
	require.Equal(t, 2, look(16*processorsQuiet, 0.1), "one client must not wait for another")
	require.Equal(t, 2, look(100, 1.75))
	require.Equal(t, 3, look(1, 1.9), "at once")
	require.Equal(t, 3, look(100, 1.75), "as many as are needed")
	require.Equal(t, 4, look(1, 3))
	require.Equal(t, 4, look(processorsQuiet-1, 2))
	require.Equal(t, 4, look(1, 3), "counted anew")
	require.Equal(t, 4, look(processorsQuiet-1, 2))
	require.Equal(t, 16, look(1, 15))
	require.Equal(t, 16, look(1, 16), "no more than there are")

	p = processors{now: 1, most: 1}
	require.Equal(t, 1, look(1, 1), "there is but one")
}
