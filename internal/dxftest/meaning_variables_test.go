package dxftest

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// variableChanges are an index alone, and columns whose meaning hangs on everything that
// meaningChanges name.
var variableChanges = []string{
	"ALTER TABLE m ADD INDEX i (a), ADD UNIQUE j (b)",
	"ALTER TABLE m ADD COLUMN n TIMESTAMP NOT NULL DEFAULT '2020-01-01 12:00:00', ADD COLUMN o VARCHAR(9) DEFAULT 'é', " +
		"ADD COLUMN g DECIMAL(20,10) AS (a / 7) STORED, ADD COLUMN h DATE AS (DATE(ts)) STORED, ADD INDEX i (a), ADD INDEX (n)",
}

// TestWaitTimeoutOfAWaitingClient: nobody ends the session of a client that waits for its job,
// however little its wait_timeout is.
func TestWaitTimeoutOfAWaitingClient(t *testing.T) {
	h := newHouse(t, 1)
	s := h.session(0, "")
	h.run(s, "SET SESSION wait_timeout = 1")
	tx, err := h.direct.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	var n int
	require.NoError(t, tx.QueryRow("SELECT COUNT(*) FROM t").Scan(&n)) // the table is in use
	answered := make(chan error, 1)
	go func() {
		_, err := s.ExecContext(t.Context(), "ALTER TABLE t ADD INDEX waits (a)")
		answered <- err
	}()
	h.waitingJob("running")
	select {
	case err := <-answered:
		require.FailNow(t, "answered", "%v", err)
	case <-time.After(2500 * time.Millisecond):
	}
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-answered)
	require.Equal(t, "3", text(t, s, "SELECT COUNT(*) FROM t"))
}

// otherValues sets a variable of the session to whatever it takes beside what it has, and
// returns the settings that did.
func otherValues(t *testing.T, c *sql.Conn, name, is string) (settings []string) {
	t.Helper()
	tries := []string{"ON", "OFF", "0", "1", "2", "3", "'latin1'", "'latin1_bin'", "'MyISAM'", "''"}
	if n, err := strconv.ParseUint(is, 10, 64); err == nil {
		tries = append(tries, fmt.Sprint(n/2), fmt.Sprint(n+1), fmt.Sprint(max(n, 1)*3))
	}
	values := []string{is}
	for _, try := range tries {
		setting := "SET SESSION `" + name + "` = " + try
		if _, err := c.ExecContext(t.Context(), setting); err != nil {
			continue
		}
		var now sql.NullString
		if c.QueryRowContext(t.Context(), "SELECT @@SESSION.`"+name+"`").Scan(&now) == nil && !slices.Contains(values, now.String) {
			values = append(values, now.String)
			settings = append(settings, setting)
		}
		if len(settings) == 3 {
			break
		}
	}
	return settings
}

// TestMeaningOfVariables: whatever a session can set, a statement on it does through a node
// what it does on the store. DXFPROXY_LONG=1 tries every variable that the server has; else a draw.
func TestMeaningOfVariables(t *testing.T) {
	h := newHouse(t, 1)
	h.run(h.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")
	rows, err := h.direct.Query("SHOW SESSION VARIABLES")
	require.NoError(t, err)
	var settings []string
	variables := 0
	type variable struct{ name, is string }
	var all []variable
	for rows.Next() {
		var v variable
		require.NoError(t, rows.Scan(&v.name, &v.is))
		all = append(all, v)
	}
	require.NoError(t, rows.Close())
	for _, v := range all {
		c, err := h.direct.Conn(t.Context())
		require.NoError(t, err)
		others := otherValues(t, c, v.name, v.is)
		_ = c.Raw(func(any) error { return driver.ErrBadConn }) // what one has set is not the next one's
		_ = c.Close()
		if settings = append(settings, others...); len(others) > 0 {
			variables++
		}
	}
	type pair struct{ setting, change string }
	var pairs []pair
	for _, s := range settings {
		for _, c := range variableChanges {
			pairs = append(pairs, pair{s, c})
		}
	}
	t.Logf("%d variables, %d settings", variables, len(settings))
	if os.Getenv("DXFPROXY_LONG") == "" {
		seed := firstSeed(t)
		t.Logf("DXFPROXY_SEED=%d", seed)
		rand.New(rand.NewPCG(seed, 11)).Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		pairs = pairs[:6]
	}
	for _, p := range pairs {
		t.Run(p.setting+"; "+strings.TrimPrefix(p.change, "ALTER TABLE m ")[:20], func(t *testing.T) {
			h.in(t).same(p.setting, meaningTable, p.change, "")
		})
	}
}
