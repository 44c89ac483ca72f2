package changefeed_test

import (
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster/wire"
)

// TestC6WindowsAreOneRoundTrip: a changed row and a marker, each in a window of its own or
// both in one, take an applier no more than one way to the store for a window.
func TestC6WindowsAreOneRoundTrip(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	p, err := wire.Listen(srv.Addr())
	require.NoError(t, err)
	t.Cleanup(p.Close)
	mc, err := mysql.ParseDSN(srv.DSN())
	require.NoError(t, err)
	mc.Addr = p.Addr()
	r.config.DSN = mc.FormatDSN()
	t.Cleanup(r.run("node-a")) // before the wire ends
	r.sync()
	r.strict()
	r.sync()
	least := int64(100)
	for i := range 10 {
		before := p.Trips()
		r.exec(fmt.Sprintf("REPLACE INTO t VALUES (%d, %d)", i%3, i)) // inserted, then removed and inserted
		r.sync()
		least = min(least, p.Trips()-before)
	}
	require.LessOrEqual(t, least, int64(2))
	require.Positive(t, least)
}
