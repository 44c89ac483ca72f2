package dxf_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

func TestS15LockNames(t *testing.T) {
	a, b := dxf.Secret("a"), dxf.Secret("b")
	for _, name := range []string{
		fmt.Sprintf("dxf_import_%d_swap", int64(math.MaxInt64)), "dxf_life_01234567-89ab-cdef-0123-456789abcdef"[:36], "dxf_turn_0",
	} {
		require.LessOrEqual(t, len(a.Lock(name)), 64, "MySQL takes no longer name")
		require.Contains(t, a.Lock(name), name+"_", "people see what it is for")
		require.NotEqual(t, a.Lock(name), b.Lock(name))
		require.Equal(t, a.Lock(name), a.Lock(name))
		require.Equal(t, name, dxf.Secret("").Lock(name))
	}
	require.NotEqual(t, a.Sign("lock", []byte("x")), a.Sign("wake", []byte("x")))
	require.NotEqual(t, a.Sign("wa", []byte("ke")), a.Sign("wak", []byte("e")))
}
