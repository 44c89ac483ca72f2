package dxftest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/decode/decodetest"
)

// TestS22ImportBombs: a node that is given the worst of files survives within 512 MiB,
// and says what is wrong with them; and rows that are merely long come in.
func TestS22ImportBombs(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("how much memory a process has taken is read from Linux's /proc")
	}
	im := newImporter(t, 1)
	node := im.nodes[0]
	taken := func() int {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", node.PID()))
		require.NoError(t, err)
		_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
		kib, err := strconv.Atoi(string(bytes.Fields(after)[0]))
		require.NoError(t, err)
		return kib << 10
	}
	const most = 512 << 20
	execute(t, im.direct, "CREATE TABLE bombed (id BIGINT, b LONGTEXT)")
	bombs := decodetest.Bombs(t)
	for _, b := range bombs {
		t.Run(b.Name, func(t *testing.T) {
			im := im.in(t)
			path := im.file(b.Name, string(b.Content))
			format := strings.Split(b.Name, ".")[1]
			c := im.session(0, "")
			defer c.Close()
			_, err := im.ask(c, fmt.Sprintf("IMPORT INTO bombed FROM %s FORMAT '%s'", quote(path), format))
			require.ErrorContains(t, err, b.Error)
			require.ErrorContains(t, err, b.Name)
			t.Logf("the node has taken %d MiB", taken()>>20)
			require.Less(t, taken(), most)
		})
	}
	im.nothingLeft()

	// Several at once, and rows that are as long as they may be among others.
	execute(t, im.direct, "CREATE TABLE wide_a (id BIGINT PRIMARY KEY, b LONGTEXT)")
	execute(t, im.direct, "CREATE TABLE wide_b LIKE wide_a")
	var rows strings.Builder
	const length = 10 << 20
	for i := range 3 {
		fmt.Fprintf(&rows, "%d,\"%s\"\n%d,short\n", 2*i, strings.Repeat(string(rune('a'+i)), length-1)+"\n", 2*i+1)
	}
	im.packed("wide/1.csv.gz", rows.String())
	rows.Reset()
	path := quote(im.dir + "/wide/1*.gz")
	a := im.start(0, "IMPORT INTO wide_a FROM "+path)
	b := im.start(0, "IMPORT INTO wide_b FROM "+path)
	require.NoError(t, a.wait())
	require.NoError(t, b.wait())
	for _, table := range []string{"wide_a", "wide_b"} {
		require.Equal(t, fmt.Sprintf("%d|%d\n", 6, 3*length+3*5), im.list("SELECT COUNT(*), SUM(LENGTH(b)) FROM "+table))
	}
	t.Logf("the node has taken %d MiB", taken()>>20)
	require.Less(t, taken(), most)
}
