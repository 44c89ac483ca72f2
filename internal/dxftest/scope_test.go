package dxftest

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/internal/cluster"
	"dxfproxy/mariadbd/mariadbdtest"
)

// scoped is three nodes and a table of several pieces.
type scoped struct {
	*house
	clients []*sql.Conn // one on each node
}

func newScoped(t *testing.T) *scoped {
	s := &scoped{house: newHouse(t, 3)}
	for i := range s.nodes {
		s.clients = append(s.clients, s.session(i, ""))
	}
	s.run(s.clients[0], "SET GLOBAL dxf_native_ddl_max_size = 0",
		"CREATE TABLE big (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(100))",
		"INSERT INTO big (a, b) SELECT seq, REPEAT('x', 80) FROM "+mariadbdtest.Numbers(90000))
	return s
}

// scope sets the scopes of the nodes.
func (s *scoped) scope(scopes ...string) {
	s.Helper()
	for i, scope := range scopes {
		s.run(s.clients[i], "SET GLOBAL tidb_service_scope = '"+scope+"'")
		require.Equal(s, scope, text(s.T, s.clients[i], "SELECT role FROM mysql.dist_framework_meta WHERE host = '"+s.nodes[i].Addr+"'"))
	}
}

// workers tells which nodes copied for the newest task: "1,3" for the first
// and the third.
func (s *scoped) workers() string {
	s.Helper()
	archived(s.T, s.direct, s.meta)
	return s.workersIn("tidb_background_subtask_history")
}

func (s *scoped) workersIn(table string) string {
	s.Helper()
	rows, err := s.direct.QueryContext(s.Context(), "SELECT DISTINCT exec_id FROM `"+s.meta+"`."+table+
		" WHERE step = 1 AND CAST(task_key AS SIGNED) = (SELECT MAX(CAST(task_key AS SIGNED)) FROM `"+s.meta+"`."+table+")")
	require.NoError(s, err)
	var found []string
	for rows.Next() {
		var id string
		require.NoError(s, rows.Scan(&id))
		at := slices.IndexFunc(s.nodes, func(n *cluster.Node) bool { return n.Addr == id })
		found = append(found, fmt.Sprint(at+1))
	}
	require.NoError(s, rows.Err())
	slices.Sort(found)
	return strings.Join(found, ",")
}

// index adds and drops an index, by way of node i.
func (s *scoped) index(i int) {
	s.Helper()
	s.run(s.clients[i], "ALTER TABLE big ADD INDEX i (a)")
	execute(s.T, s.direct, "ALTER TABLE big DROP INDEX i")
}

// TestScope: a job runs on the nodes of the scope it was submitted in. Without
// one it runs on the background nodes if there are any, else on those without.
func TestScope(t *testing.T) {
	s := newScoped(t)
	for _, c := range []struct {
		scopes []string
		by     int
		want   string
	}{
		{[]string{"", "", ""}, 0, "1,2,3"},
		{[]string{"", "background", ""}, 0, "2"},
		{[]string{"", "background", "background"}, 1, "2,3"},
		{[]string{"", "other", "other"}, 1, "2,3"},
		{[]string{"", "other", "other"}, 0, "1"},
		{[]string{"", "background", "other"}, 2, "3"},
	} {
		s.scope(c.scopes...)
		s.index(c.by)
		require.Equal(t, c.want, s.workers(), "scopes %q, submitted on node %d", c.scopes, c.by+1)
	}
	s.nothingLeft()
}

// TestScopeEmpty: a job whose scope has no node waits, says so, and goes on
// when there is one.
func TestScopeEmpty(t *testing.T) {
	s := newScoped(t)
	s.scope("", "", "lonely")
	// Planning needs the job's lock: the scope is empty before it begins.
	holder := s.session(0, "")
	next := scan[int64](t, s.direct, "SELECT value + 1 FROM `"+s.meta+"`.counter WHERE name = 'job'")
	h := s.house
	h.run(holder, fmt.Sprintf("DO GET_LOCK('%s', 10)", h.jobLock(next)))
	answer := make(chan error, 1)
	go func() {
		_, err := s.clients[2].ExecContext(t.Context(), "ALTER TABLE big ADD INDEX i (a)")
		answer <- err
	}()
	require.Eventually(t, func() bool {
		return scan[int](t, s.direct, "SELECT COUNT(*) FROM `"+s.meta+"`.tidb_ddl_job WHERE job_id = ?", next) == 1
	}, 20*time.Second, 5*time.Millisecond)
	other := s.session(2, "")
	h.run(other, "SET GLOBAL tidb_service_scope = ''")
	h.run(holder, "DO RELEASE_ALL_LOCKS()")
	require.Eventually(t, func() bool { return strings.Contains(h.comments(other), "no node in service scope 'lonely'") },
		20*time.Second, 20*time.Millisecond, "COMMENTS do not say what the job waits for")
	select {
	case err := <-answer:
		require.FailNow(t, "done without a node", "%v", err)
	default:
	}
	h.run(s.clients[1], "SET GLOBAL tidb_service_scope = 'lonely'")
	require.NoError(t, <-answer)
	require.Contains(t, s.workers(), "2")
	require.NotContains(t, s.workers(), "1")
	h.nothingLeft()
}

// TestScopeJoin: a node that comes while a job runs gets its share.
func TestScopeJoin(t *testing.T) {
	s := newScoped(t)
	late := s.nodes[2]
	require.NoError(t, late.Stop(t.Context()))
	s.run(s.clients[0], "SET GLOBAL tidb_ddl_reorg_max_write_speed = 2097152", "SET SESSION tidb_ddl_reorg_worker_cnt = 1")
	answer := make(chan error, 1)
	go func() {
		_, err := s.clients[0].ExecContext(t.Context(), "ALTER TABLE big ADD INDEX i (a)")
		answer <- err
	}()
	require.Eventually(t, func() bool {
		return scan[int](t, s.direct, "SELECT COUNT(*) FROM `"+s.meta+"`.tidb_background_subtask WHERE state = 'running'") > 0
	}, 20*time.Second, 5*time.Millisecond)
	require.Equal(t, "1,2", s.workersIn("tidb_background_subtask"))
	require.NoError(t, late.Start(t.Context()))
	require.NoError(t, <-answer)
	require.Equal(t, "1,2,3", s.workers())
	s.nothingLeft()
}

// TestScopeTwoJobs: jobs on one table run one after the other, those on two
// tables side by side.
func TestScopeTwoJobs(t *testing.T) {
	h := newHouse(t, 2)
	h.run(h.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")
	uniqueTable(h)
	execute(t, h.direct, "CREATE TABLE v LIKE u")
	j := h.startSlow(holdCopy, "ALTER TABLE u ADD INDEX first (code)")
	second := make(chan error, 1)
	go func() {
		_, err := h.session(1, "").ExecContext(t.Context(), "ALTER TABLE u ADD INDEX second (n, code)")
		second <- err
	}()
	admin := h.session(0, "")
	require.Eventually(t, func() bool {
		return scan[int](t, h.direct, "SELECT COUNT(*) FROM `"+h.meta+"`.tidb_ddl_job") == 2
	}, 20*time.Second, 5*time.Millisecond)
	h.run(admin, "ALTER TABLE v ADD INDEX side (code)") // ends while the others wait
	require.Equal(t, "running,pending", text(t, admin, "SELECT GROUP_CONCAT(state ORDER BY id) FROM mysql.tidb_global_task WHERE state <> 'succeed'"))
	require.NoError(t, j.release())
	require.NoError(t, <-second)
	definition := h.definition("u")
	require.Contains(t, definition, "KEY `first` (`code`)")
	require.Contains(t, definition, "KEY `second` (`n`,`code`)")
	require.Contains(t, h.definition("v"), "KEY `side` (`code`)")
	h.nothingLeft()
}
