package dxftest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// account makes a user with all rights on the test's schema, and none beside.
func (h *house) account(name string) {
	h.Helper()
	execute(h.T, h.direct, fmt.Sprintf("DROP USER IF EXISTS %s@'%%'", name))
	execute(h.T, h.direct, fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY 'pw'", name))
	execute(h.T, h.direct, fmt.Sprintf("GRANT ALL ON `%s`.* TO %s@'%%'", h.schema, name))
}

// TestS15LocksOfStrangers: who takes every lock whose name can be guessed holds up
// nobody's job.
func TestS15LocksOfStrangers(t *testing.T) {
	h := newHouse(t, 2)
	uniqueTable(h)
	h.account("dxf_stranger")
	admin, stranger := h.session(0, ""), h.session(1, "dxf_stranger")
	h.run(admin, "SET GLOBAL dxf_native_ddl_max_size = 0")
	next := scan[int64](t, h.direct, "SELECT value + 1 FROM `"+h.meta+"`.counter WHERE name = 'job'")
	names := []string{fmt.Sprintf("dxf_job_%d", next), fmt.Sprintf("dxf_job_%d_swap", next)}
	for i := range 16 {
		names = append(names, fmt.Sprintf("dxf_turn_%d", i))
	}
	for _, name := range names {
		h.run(stranger, fmt.Sprintf("DO GET_LOCK('%s', 0)", name))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := admin.ExecContext(ctx, addUnique)
	require.NoError(t, err)
	require.NoError(t, stranger.PingContext(ctx), "nobody had to be ended")
	h.nothingLeft()
}

// TestS21UnfinishedJobsOfOneAccount: one account's jobs are not more than it may have,
// and another's do not count.
func TestS21UnfinishedJobsOfOneAccount(t *testing.T) {
	h := newHouse(t, 2)
	uniqueTable(h)
	h.account("dxf_other")
	admin, other := h.session(0, ""), h.session(1, "dxf_other")
	h.run(admin, "SET GLOBAL dxf_native_ddl_max_size = 0", "SET GLOBAL dxf_max_user_queued_jobs = 1")
	j := h.startSlow(holdCopy, addUnique)
	_, err := admin.ExecContext(t.Context(), "ALTER TABLE t ADD INDEX s21 (a)")
	refused(t, err, 1226, "42000", "")
	h.run(other, "ALTER TABLE t ADD INDEX s21 (a)")
	_, err = other.ExecContext(t.Context(), fmt.Sprintf("ADMIN CANCEL DDL JOBS %d", j.id))
	refused(t, err, 8121, "HY000", "privilege check for 'Super' fail")
	require.NoError(t, j.release())
	h.run(admin, "ALTER TABLE t ADD INDEX s21b (a)")
	h.nothingLeft()
}
