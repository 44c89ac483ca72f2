package scheduler

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSlots(t *testing.T) {
	s := newSlots(3)
	require.True(t, s.reserve(1, "", 2))
	require.True(t, s.reserve(1, "", 2))
	require.False(t, s.reserve(1, "", 2), "the task has all it may hold")
	require.True(t, s.reserve(2, "", 0), "a task may always hold one")
	require.False(t, s.reserve(3, "", 9), "no slot is left")
	s.release(1, "")
	require.True(t, s.reserve(3, "", 9))
	require.Equal(t, 0, s.free())
	require.Equal(t, 1, newSlots(0).free(), "a node has a slot")
}

// TestS21SlotMore: an account that holds all slots leaves one more to others, and so do
// two of them (R8).
func TestS21SlotMore(t *testing.T) {
	s := newSlots(2)
	require.True(t, s.reserve(1, "hog", 9))
	require.True(t, s.reserve(2, "hog", 9))
	require.False(t, s.reserve(3, "hog", 9), "the slot more is for others")
	require.True(t, s.reserve(4, "hog2", 9))
	require.False(t, s.reserve(4, "hog2", 9), "one, not two")
	for i := range MaxGuests - 1 {
		require.True(t, s.reserve(int64(5+i), fmt.Sprint("a", i), 9))
	}
	require.False(t, s.reserve(99, "b", 9), "the node is not without bounds")
	require.False(t, s.reserve(99, "", 9))
	s.release(1, "hog")
	require.False(t, s.reserve(3, "hog", 9), "others stand for the one that was given back")
	require.False(t, s.reserve(99, "b", 9))
	s.release(4, "hog2")
	require.True(t, s.reserve(99, "b", 9))
	for i := range MaxGuests - 1 {
		s.release(int64(5+i), fmt.Sprint("a", i))
	}
	s.release(2, "hog")
	s.release(99, "b")
	require.Equal(t, 2, s.free())
	require.Empty(t, s.byUser)
	require.Empty(t, s.guests)
}

func TestSlotsNeverOverflow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 8).Draw(t, "total")
		s, held, n := newSlots(total), map[int64]int{}, 0
		for range 50 {
			task := int64(rapid.IntRange(1, 4).Draw(t, "task"))
			limit := rapid.IntRange(1, 4).Draw(t, "limit")
			switch {
			case rapid.Bool().Draw(t, "reserve"):
				want := n < total && held[task] < limit
				if s.reserve(task, "", limit) != want {
					t.Fatalf("reserve(%d, %d) is not %t with %d of %d taken, %d by it", task, limit, want, n, total, held[task])
				}
				if want {
					held[task]++
					n++
				}
			case held[task] > 0:
				s.release(task, "")
				held[task]--
				n--
			}
			if s.free() != total-n {
				t.Fatalf("%d free, not %d", s.free(), total-n)
			}
		}
	})
}
