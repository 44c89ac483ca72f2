package backfill

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/table"
)

func TestLeave(t *testing.T) {
	chunk := func(i int) table.Range {
		at := func(i int) []table.Datum { return []table.Datum{{Kind: table.Number, Value: fmt.Sprint(i)}} }
		return table.Range{Key: []string{"id"}, Lower: at(i), Upper: at(i + 1)}
	}
	left := func(chunks ...int) (texts []string) {
		var v verifier
		for _, i := range chunks {
			require.NoError(t, v.leave(chunk(i)))
		}
		for _, text := range v.at.Differ {
			var r table.Range
			require.NoError(t, json.Unmarshal(text, &r))
			texts = append(texts, r.String())
		}
		return texts
	}
	require.Equal(t, []string{"`id` > 1 AND `id` <= 2", "`id` > 5 AND `id` <= 6"}, left(1, 5))
	require.Equal(t, []string{"`id` > 1 AND `id` <= 4"}, left(1, 2, 3), "neighbours are one range")
	many := left(0, 2, 4, 6, 8, 10, 12, 14, 16, 18)
	require.Len(t, many, aheadRanges)
	require.Equal(t, "`id` > 14 AND `id` <= 19", many[aheadRanges-1], "the last one takes the rest")
}
