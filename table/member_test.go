package table

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMemberRanges: ranges of a short ENUM or SET are lists of its members, which the server finds in
// the index, and cover each of them once, 0 (no member) too.
func TestMemberRanges(t *testing.T) {
	c := Column{Name: "k", DataType: "enum", Type: "enum('a','b,c','d(''e)')"}
	require.EqualValues(t, 3, greatest(c))
	require.EqualValues(t, 7, greatest(Column{DataType: "set", Type: "set('a','b,c','d(''e)')"}))
	require.Equal(t, Member, kindOf(c))
	at, err := scan(c, "2")
	require.NoError(t, err)
	r := Range{Key: []string{"k"}}
	require.Equal(t, "`k` IN (0,1,2)", r.To([]Datum{at}).Where(""))
	require.Equal(t, "`k` IN (3)", r.From([]Datum{at}).Where(""))
	last, err := scan(c, "3")
	require.NoError(t, err)
	require.Equal(t, "FALSE", r.From([]Datum{last}).Where(""))
	require.Equal(t, "`k` = 2", r.At("", []Datum{at}))
	n := Datum{Kind: Number, Value: "7"}
	r.Key = []string{"k", "n"}
	require.Equal(t, "(`k` IN (0,1) OR (`k` = 2 AND `n` <= 7))", r.To([]Datum{at, n}).Where(""))
	first, err := scan(c, "1")
	require.NoError(t, err)
	five := Datum{Kind: Number, Value: "5"}
	require.Equal(t, "(FALSE OR (`k` = 1 AND `n` > 5) OR (`k` = 2 AND `n` <= 7))", r.From([]Datum{first, five}).To([]Datum{at, n}).Where(""))
	require.Equal(t, "`k` = 2 AND `n` > 5 AND `n` <= 7", r.From([]Datum{at, five}).To([]Datum{at, n}).Where(""))
	text, err := json.Marshal(at)
	require.NoError(t, err)
	var again Datum
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, at, again)
	for _, bad := range []string{`{"kind":"member","value":"4","of":3}`, `{"kind":"member","value":"x","of":3}`, `{"kind":"member","value":"1","of":9007199254740992}`} {
		require.Error(t, json.Unmarshal([]byte(bad), &again), bad)
	}
}
