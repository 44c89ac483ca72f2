package importinto

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/source"
)

func TestCutFiles(t *testing.T) {
	const mib, gib = int64(1 << 20), int64(1 << 30)
	small := make([]source.Piece, 100_000)
	for i := range small {
		small[i] = source.Piece{Path: fmt.Sprintf("%06d.csv", 99_999-i), Size: 1000}
	}
	for _, c := range []struct {
		name        string
		files       []source.Piece
		split       bool
		nodes       int
		least, most int   // subtasks
		longest     int   // files in one
		largest     int64 // bytes in one
		parts       bool  // files are cut
	}{
		{name: "many small ones", files: small, nodes: 3, least: 24, most: 1700, longest: 2000, largest: 10 * mib},
		{name: "100 GiB, split", files: []source.Piece{{Path: "a.csv", Size: 100 * gib}}, split: true, nodes: 3, least: 400, most: 400, longest: 1, largest: 256 * mib, parts: true},
		{name: "100 GiB, not split", files: []source.Piece{{Path: "a.csv", Size: 100 * gib}}, nodes: 3, least: 1, most: 1, longest: 1, largest: 100 * gib},
		{name: "100 GiB, packed", files: []source.Piece{{Path: "a.csv.gz", Size: 100 * gib}}, split: true, nodes: 3, least: 1, most: 1, longest: 1, largest: 100 * gib},
		{name: "10 TiB", files: []source.Piece{{Path: "a.csv", Size: 10 << 40}}, split: true, nodes: 3, least: 3000, most: 4001, longest: 1, largest: 3 * gib, parts: true},
		{name: "390 MiB on three nodes", files: []source.Piece{{Path: "a.csv", Size: 390 * mib}}, split: true, nodes: 3, least: 24, most: 25, longest: 1, largest: 17 * mib, parts: true},
		{name: "eight of 50 MiB", files: files(8, 50*mib), nodes: 3, least: 8, most: 8, longest: 1, largest: 50 * mib},
		{name: "a tiny one", files: []source.Piece{{Path: "a.csv", Size: 10}, {Path: "b.csv"}}, split: true, nodes: 3, least: 1, most: 1, longest: 1, largest: 10},
		{name: "none", files: []source.Piece{{Path: "a.csv"}}, nodes: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := splitFiles(c.files, c.split, c.nodes)
			require.GreaterOrEqual(t, len(all), c.least)
			require.LessOrEqual(t, len(all), c.most)
			var got, want int64
			last := ""
			var end int64
			for _, pieces := range all {
				require.LessOrEqual(t, len(pieces), c.longest)
				var size int64
				for _, p := range pieces {
					if p.End > 0 {
						require.True(t, c.parts)
						require.True(t, p.Start == end || p.Start == 0, "a hole before %d", p.Start)
						size += p.End - p.Start
						end = p.End
						continue
					}
					require.Less(t, last, p.Path, "in the order of names")
					last = p.Path
					size += p.Size
				}
				require.LessOrEqual(t, size, c.largest)
				got += size
			}
			for _, f := range c.files {
				want += f.Size
			}
			require.Equal(t, want, got)
		})
	}
}

func files(n int, size int64) (all []source.Piece) {
	for i := range n {
		all = append(all, source.Piece{Path: fmt.Sprintf("%d.csv", i), Size: size})
	}
	return all
}
