package executor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/executor"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
)

// TestTurns: so many sessions have a turn and no more, a session that ends
// gives its turn back, and one that holds it for good does not stop the others.
func TestTurns(t *testing.T) {
	_, db := mariadbdtest.Schema(t, srv)
	open := func() *server.Session {
		s, err := server.OpenSession(t.Context(), db)
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	take := func(s *server.Session) (string, func()) {
		name, give, err := executor.TakeTurn(t.Context(), s, 2)
		require.NoError(t, err)
		return name, give
	}
	one, two, three := open(), open(), open()
	first, give := take(one)
	second, _ := take(two)
	require.NotEmpty(t, first)
	require.NotEmpty(t, second)
	require.NotEqual(t, first, second)

	got := make(chan string)
	go func() { name, _ := take(three); got <- name }()
	require.Eventually(t, func() bool {
		var n int
		return db.QueryRow("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ? AND STATE = 'User lock'", three.ID).Scan(&n) == nil && n == 1
	}, 5*time.Second, time.Millisecond, "it waits")
	give()
	require.Equal(t, first, <-got)

	go func() { name, _ := take(one); got <- name }()
	require.NoError(t, two.Close())
	require.Equal(t, second, <-got, "it ended with its session")

	// one and three keep theirs.
	start := time.Now()
	name, _ := take(open())
	require.Empty(t, name)
	require.Greater(t, time.Since(start), 4*time.Second)

	// TestS38: who sleeps in his turn is not waited for again and again.
	four, start := open(), time.Now()
	for range 10 {
		name, _ = take(four)
		require.Empty(t, name)
	}
	require.Less(t, time.Since(start), 3*time.Second)
	require.NoError(t, one.Close())
	require.Eventually(t, func() bool { name, give = take(four); return name != "" }, 5*time.Second, 10*time.Millisecond)
	give()
	require.NoError(t, four.Close())

	name, _, err := executor.TakeTurn(t.Context(), open(), 0)
	require.NoError(t, err)
	require.Empty(t, name, "a store that does not tell its processors")
}
