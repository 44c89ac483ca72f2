package dxftest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/grants"
)

// TestScratchTablesOfTheDead finds scratch tables dropped that nobody uses: of a node that
// is not there, and of one that is there and has lost sight of it.
func TestScratchTablesOfTheDead(t *testing.T) {
	h := newHouse(t, 2)
	alive := text(t, h.session(0, ""), "SELECT uuid FROM mysql.dist_framework_meta WHERE host = ?", h.nodes[1].Addr)
	require.NotEmpty(t, alive)
	dead := "scratch_00000000-0000-4000-8000-000000000000_1"
	live := "scratch_" + strings.ReplaceAll(alive, "-", "") + "_1000000"
	execute(t, h.direct, "CREATE TABLE `"+grants.Scratch(h.meta)+"`.`"+dead+"` (a INT)")
	execute(t, h.direct, "CREATE TABLE `"+grants.Scratch(h.meta)+"`.`"+live+"` (a INT)")
	exists := func(name string) int {
		return scan[int](t, h.direct, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", grants.Scratch(h.meta), name)
	}
	require.Eventually(t, func() bool { return exists(dead) == 0 }, 20*time.Second, 50*time.Millisecond)
	require.Eventually(t, func() bool { return exists(live) == 0 }, 20*time.Second, 50*time.Millisecond)
	require.NoError(t, h.nodes[1].Kill())
	execute(t, h.direct, "CREATE TABLE `"+grants.Scratch(h.meta)+"`.`"+live+"` (a INT)")
	require.Eventually(t, func() bool { return exists(live) == 0 }, 40*time.Second, 100*time.Millisecond, "its node is dead now")
}
