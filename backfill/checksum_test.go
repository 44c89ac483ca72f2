package backfill

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnlike(t *testing.T) {
	for _, c := range []struct {
		a, b []uint64
		want int64
	}{
		{nil, nil, 0},
		{[]uint64{1, 2, 3}, []uint64{1, 2, 3}, 0},
		{[]uint64{1, 2, 3}, []uint64{1, 3}, 1},
		{[]uint64{1, 3}, []uint64{1, 2, 3}, 1},
		{[]uint64{1, 2, 9}, []uint64{1, 3, 9}, 1},
		{[]uint64{5, 5}, []uint64{5}, 1},
		{nil, []uint64{1, 2}, 2},
	} {
		require.Equal(t, c.want, unlike(c.a, c.b), "%v %v", c.a, c.b)
	}
}
