package dxftest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/table"
)

// hold is something a test does that a job has to wait for in one of its steps.
type hold struct {
	step  int
	begin []string // on a session of its own
	end   string
}

var (
	// A row that a client has locked cannot be copied.
	holdCopy = hold{step: 1, begin: []string{"BEGIN", "SELECT * FROM u WHERE id = 1500 FOR UPDATE"}, end: "ROLLBACK"}
	// The build is done under the job's lock.
	holdBuild = hold{step: 2, begin: []string{"SELECT GET_LOCK('%s', 20)"}, end: "DO RELEASE_ALL_LOCKS()"}
	// A transaction keeps the table from being renamed.
	holdCutover = hold{step: 4, begin: []string{"BEGIN", "SELECT * FROM u LIMIT 1"}, end: "ROLLBACK"}
)

// slow is a job that is held.
type slow struct {
	*house
	holder *sql.Conn
	hold   hold
	answer chan error
	id     int64
}

// startSlow starts a statement on table u and waits until its job has come to
// the step where it is held.
func (h *house) startSlow(how hold, statement string) *slow {
	h.Helper()
	meta := "`" + h.meta + "`"
	j := &slow{house: h, hold: how, holder: h.session(0, ""), answer: make(chan error, 1)}
	h.Cleanup(func() { j.holder.Close() }) // a test that failed must not keep the others from the table
	client := h.session(0, "")
	late := how.step == 2 // its lock has the job's name
	if late {
		// What holds the copy until the lock is taken.
		h.run(j.holder, holdCopy.begin...)
	} else {
		h.run(j.holder, how.begin...)
	}
	go func() {
		_, err := client.ExecContext(context.Background(), statement)
		j.answer <- err
	}()
	at := func(step int) {
		require.Eventually(h, func() bool {
			var n sql.NullInt64
			err := h.direct.QueryRowContext(h.Context(), "SELECT step FROM "+meta+".tidb_global_task").Scan(&n)
			return err == nil && n.Int64 == int64(step)
		}, 30*time.Second, 5*time.Millisecond, "the job does not come to step %d", step)
	}
	if late {
		at(1)
		locker := h.session(0, "")
		h.run(locker, fmt.Sprintf(how.begin[0], h.jobLock(scan[int64](h.T, h.direct, "SELECT MAX(job_id) FROM "+meta+".tidb_ddl_job"))))
		h.run(j.holder, holdCopy.end)
		j.holder = locker
	}
	at(how.step)
	j.id = scan[int64](h.T, h.direct, "SELECT job_id FROM "+meta+".tidb_ddl_job")
	return j
}

// jobLock is the name of the lock that a job's one-node work needs.
func (h *house) jobLock(job int64) string {
	secret := dxf.Secret(scan[string](h.T, h.direct, "SELECT value FROM `"+h.meta+"`.secret"))
	return secret.Lock(table.JobLock(job).Name())
}

// release lets the job go on, and returns what its client was answered.
func (j *slow) release() error {
	j.Helper()
	j.run(j.holder, j.hold.end)
	return j.wait()
}

func (j *slow) wait() error {
	j.Helper()
	select {
	case err := <-j.answer:
		return err
	case <-time.After(60 * time.Second):
		require.FailNow(j, "the job does not end")
		return nil
	}
}

// state is the last job's, as ADMIN SHOW DDL JOBS has it.
func (h *house) state() string {
	h.Helper()
	return scan[string](h.T, h.direct, "SELECT JSON_VALUE(CONVERT(job_meta USING utf8mb4), '$.state') FROM `"+h.meta+"`.tidb_ddl_history ORDER BY job_id DESC LIMIT 1")
}

const uniqueRows = 3000

// uniqueTable makes table u anew, and returns what it looks like.
func uniqueTable(h *house) (definition string, checksum int64) {
	h.Helper()
	execute(h.T, h.direct, "DROP TABLE IF EXISTS u")
	execute(h.T, h.direct, "CREATE TABLE u (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(20), n INT, KEY old (n))")
	execute(h.T, h.direct, "INSERT INTO u (code, n) SELECT CONCAT('c', seq), seq % 10 FROM "+mariadbdtest.Numbers(3000))
	return h.definition("u"), h.checksum("u")
}

// rolledBack: the last job has ended, and table u is as it was.
func (h *house) rolledBack(definition string, checksum int64) {
	h.Helper()
	h.nothingLeft()
	require.Equal(h, "rollback done", h.state())
	require.Equal(h, definition, h.definition("u"))
	require.Equal(h, checksum, h.checksum("u"))
}

func (h *house) checksum(table string) int64 {
	h.Helper()
	var name string
	var sum sql.NullInt64
	require.NoError(h, h.direct.QueryRowContext(h.Context(), "CHECKSUM TABLE "+table+" EXTENDED").Scan(&name, &sum))
	return sum.Int64
}

const addUnique = "ALTER TABLE u ADD INDEX plain (n, code), ADD UNIQUE INDEX uc (code)"

// TestUniqueDuplicate adds unique indexes to what is not unique.
func TestUniqueDuplicate(t *testing.T) {
	h := newHouse(t, 2)
	h.run(h.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")

	t.Run("there before", func(t *testing.T) {
		h := h.in(t)
		uniqueTable(h)
		execute(t, h.direct, "UPDATE u SET code = 'c17' WHERE id = 2900")
		definition, checksum := h.definition("u"), h.checksum("u")
		_, err := h.session(1, "").ExecContext(t.Context(), addUnique)
		refused(t, err, 1062, "23000", "Duplicate entry 'c17' for key 'u.uc'")
		h.rolledBack(definition, checksum)
	})
	for name, how := range map[string]hold{"during the copy": holdCopy, "during the build": holdBuild, "during the cut-over": holdCutover} {
		t.Run(name, func(t *testing.T) {
			h := h.in(t)
			definition, _ := uniqueTable(h)
			j := h.startSlow(how, addUnique)
			execute(t, h.direct, "INSERT INTO u (code, n) VALUES ('c18', 5)")
			checksum := h.checksum("u")
			var err error
			if how.step == holdCutover.step {
				err = j.wait() // without the table
				h.run(j.holder, how.end)
			} else {
				err = j.release()
			}
			refused(t, err, 1062, "23000", "Duplicate entry 'c18' for key 'u.uc'")
			h.rolledBack(definition, checksum)
		})
	}
	t.Run("gone before the build", func(t *testing.T) {
		h := h.in(t)
		uniqueTable(h)
		j := h.startSlow(holdCopy, addUnique)
		execute(t, h.direct, "INSERT INTO u (id, code, n) VALUES (9000, 'c18', 5)")
		execute(t, h.direct, "UPDATE u SET code = 'c19' WHERE id = 2000")
		execute(t, h.direct, "DELETE FROM u WHERE id = 9000")
		execute(t, h.direct, "UPDATE u SET code = 'c2000' WHERE id = 2000")
		require.NoError(t, j.release())
		require.Contains(t, h.definition("u"), "UNIQUE KEY `uc` (`code`)")
		require.Equal(t, uniqueRows, scan[int](t, h.direct, "SELECT COUNT(DISTINCT code) FROM u"))
		h.nothingLeft()
	})
}

// TestUniqueSwap exchanges unique values between rows all the time. That they
// are equal inside a transaction is nothing to the job.
func TestUniqueSwap(t *testing.T) {
	h := newHouse(t, 2)
	h.run(h.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")
	uniqueTable(h)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const writers = 3
	done := make(chan error, writers)
	for i := range writers {
		c := h.session(i%2, "")
		go func() { done <- swap(ctx, c, rand.New(rand.NewPCG(uint64(i), 5)), i, writers) }()
	}
	j := h.startSlow(holdCutover, addUnique) // strict mode, until a second later
	beat := time.NewTimer(time.Second)
	<-beat.C
	err := j.release()
	stop()
	for range writers {
		require.NoError(t, <-done)
	}
	require.NoError(t, err)
	require.Contains(t, h.definition("u"), "UNIQUE KEY `uc` (`code`)")
	require.Equal(t, uniqueRows, scan[int](t, h.direct, "SELECT COUNT(DISTINCT code) FROM u"))
	require.Equal(t, uniqueRows, scan[int](t, h.direct, "SELECT COUNT(*) FROM u FORCE INDEX (uc) WHERE code > ''"))
	h.nothingLeft()
}

// swap exchanges the codes of two rows, each transaction by way of a third value.
// Before the index is there both may have the same code for a moment.
func swap(ctx context.Context, c *sql.Conn, rnd *rand.Rand, i, n int) error {
	for ctx.Err() == nil {
		a := 1 + rnd.IntN(uniqueRows/n-1)*n + i
		b := 1 + rnd.IntN(uniqueRows/n-1)*n + i
		if a == b {
			continue
		}
		for _, q := range []string{
			"BEGIN",
			fmt.Sprintf("SELECT code INTO @a FROM u WHERE id = %d FOR UPDATE", a),
			fmt.Sprintf("SELECT code INTO @b FROM u WHERE id = %d FOR UPDATE", b),
			fmt.Sprintf("UPDATE u SET code = CONCAT('tmp-%d-', @a) WHERE id = %d", i, a),
			fmt.Sprintf("UPDATE u SET code = @a WHERE id = %d", b),
			fmt.Sprintf("UPDATE u SET code = @b WHERE id = %d", a),
			"COMMIT",
		} {
			_, err := c.ExecContext(context.WithoutCancel(ctx), q)
			var e *mysql.MySQLError
			if errors.As(err, &e) && e.Number == 1213 {
				break // two of these, once the index is there; it was rolled back
			}
			if err != nil {
				return fmt.Errorf("%s: %w", q, err)
			}
		}
	}
	return nil
}

// TestUniqueCancel cancels a job in its steps; TestCutoverWaits does in its last.
func TestUniqueCancel(t *testing.T) {
	h := newHouse(t, 2)
	admin := h.session(1, "")
	h.run(admin, "SET GLOBAL dxf_native_ddl_max_size = 0")
	for name, how := range map[string]hold{"copy": holdCopy, "build": holdBuild} {
		for _, paused := range []bool{false, true} {
			if paused && how.step != holdCopy.step {
				continue
			}
			t.Run(fmt.Sprintf("%s, paused %v", name, paused), func(t *testing.T) {
				h := h.in(t)
				definition, checksum := uniqueTable(h)
				j := h.startSlow(how, addUnique)
				if paused {
					h.run(admin, fmt.Sprintf("ADMIN PAUSE DDL JOBS %d", j.id))
					h.untilPaused(admin)
				}
				began := time.Now()
				require.Equal(t, "successful", ask(t, admin, "CANCEL", j.id))
				if how.step == holdBuild.step {
					h.run(j.holder, how.end) // clean-up needs the job's lock
				}
				err := j.wait()
				t.Logf("cancelled after %v", time.Since(began).Round(time.Millisecond))
				refused(t, err, 8214, "HY000", "Cancelled DDL job")
				h.run(j.holder, how.end)
				h.rolledBack(definition, checksum)
			})
		}
	}
}
