package dxftest

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// runs is how many times something random is tried: inCI, or DXFPROXY_FAULT_RUNS by hand.
func runs(t *testing.T, inCI int) int {
	text := os.Getenv("DXFPROXY_FAULT_RUNS")
	if text == "" {
		return inCI
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// firstSeed is DXFPROXY_SEED, or any.
func firstSeed(t *testing.T) uint64 {
	text := os.Getenv("DXFPROXY_SEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return n
}
