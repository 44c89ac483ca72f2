package changefeed_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

func TestXA(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprint("strict=", strict), func(t *testing.T) {
			x := map[bool]string{true: "s", false: "m"}[strict] // ids of XA transactions are the server's
			r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
			r.run("node-a")
			r.exec("INSERT INTO t VALUES (1, 1), (2, 2)")
			r.sync()
			if strict {
				r.strict()
			}
			r.session("XA START '"+x+"a'", "INSERT INTO t VALUES (10, 1)", "UPDATE t SET v = 9 WHERE id = 1", "XA END '"+x+"a'", "XA PREPARE '"+x+"a'")
			prepared := r.binlogEnd()
			r.session("XA START '"+x+"b','q',7", "INSERT INTO t VALUES (20, 1)", "XA END '"+x+"b','q',7", "XA PREPARE '"+x+"b','q',7")
			r.exec("INSERT INTO t VALUES (30, 1)")
			id := r.mark(dxf.MarkSync)
			if !strict {
				require.NoError(t, r.marked(id))
				r.same() // without the prepared rows
				// The position waits in front of what is undecided.
				require.Less(t, r.feed().Pos, prepared)
				pos := r.feed().Pos
				r.exec("INSERT INTO t VALUES (31, 1)")
				r.sync()
				require.Equal(t, pos, r.feed().Pos)
			}
			r.session("XA COMMIT '"+x+"a'", "XA ROLLBACK '"+x+"b','q',7", "XA START '"+x+"c'", "INSERT INTO t VALUES (40, 1)", "XA END '"+x+"c'", "XA COMMIT '"+x+"c' ONE PHASE")
			require.NoError(t, r.marked(id))
			r.sync()
			r.same()
			require.Equal(t, map[bool]dxf.FeedMode{false: dxf.FeedMerge, true: dxf.FeedStrict}[strict], r.feed().Mode)
		})
	}
}

// TestXAAcrossRestart kills the applier while a transaction is prepared.
func TestXAAcrossRestart(t *testing.T) {
	r := newRig(t, "CREATE TABLE t (id INT PRIMARY KEY, v INT)")
	stop := r.run("node-a")
	r.sync()
	r.session("XA START 'r'", "INSERT INTO t VALUES (10, 1)", "XA END 'r'", "XA PREPARE 'r'")
	r.exec("INSERT INTO t VALUES (1, 1)")
	r.sync()
	stop()
	r.exec("UPDATE t SET v = 2 WHERE id = 1")
	r.run("node-b")
	r.session("XA COMMIT 'r'")
	r.sync()
	require.Equal(t, 2, r.same())
}
