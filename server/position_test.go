package server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLargeFile: a position that does not fit is refused, not cut down.
func TestLargeFile(t *testing.T) {
	p, err := within(1<<32 - 1)
	require.NoError(t, err)
	require.EqualValues(t, 1<<32-1, p)
	_, err = within(1 << 32)
	require.ErrorIs(t, err, ErrLargeFile)
}
