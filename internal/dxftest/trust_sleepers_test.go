package dxftest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestS38SleepingTriggers: a trigger that sleeps, on the copy that a job makes of its
// table, keeps the job from its work and not from its end.
func TestS38SleepingTriggers(t *testing.T) {
	v := newTrust(t, 1)
	v.looker()
	answer, release := v.stuckCopy()
	shadow := v.copyOf("big")
	execute(t, v.direct, "CREATE TRIGGER asleep BEFORE INSERT ON `"+shadow+"` FOR EACH ROW SET @s = SLEEP(600)")
	release()
	require.Eventually(t, func() bool {
		return scan[int](t, v.direct, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'") > 0
	}, 30*time.Second, 5*time.Millisecond, "nobody sleeps")
	v.run(v.session(0, ""), fmt.Sprintf("ADMIN CANCEL DDL JOBS %d", scan[int64](t, v.direct, "SELECT MAX(job_id) FROM `"+v.meta+"`.tidb_ddl_job")))
	select {
	case err := <-answer:
		require.ErrorContains(t, err, "8214")
	case <-time.After(time.Minute):
		t.Fatal("the job does not end")
	}
	v.nothingLeft()
}
