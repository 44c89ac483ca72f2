package importinto_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/seal"
)

// TestS19Location: the meta of an import has no secret in it, and gives the location
// back to who has the key, for this import alone.
func TestS19Location(t *testing.T) {
	const location = "s3://b/k*.csv?access-key=AK&secret-access-key=very%2Fsecret&session-token=tik.tak"
	key := seal.NewKey("password", "dxf")
	m := importinto.Meta{MetaHead: dxf.MetaHead{Schema: "d", Table: "t"}}
	require.NoError(t, importinto.CloseLocation(key, &m, location))
	text, err := json.Marshal(m)
	require.NoError(t, err)
	for _, secret := range []string{"very", "tik.tak", "=AK"} {
		require.NotContains(t, string(text), secret)
	}
	require.Contains(t, m.Location, "s3://b/k*.csv?")
	got, err := importinto.Location(seal.NewKey("password", "dxf"), m)
	require.NoError(t, err)
	require.Equal(t, location, got)

	other := m
	other.Table = "u"
	for name, open := range map[string]func() (string, error){
		"another table":    func() (string, error) { return importinto.Location(key, other) },
		"another password": func() (string, error) { return importinto.Location(seal.NewKey("changed", "dxf"), m) },
		"no key":           func() (string, error) { return importinto.Location(nil, m) },
	} {
		_, err := open()
		require.ErrorContains(t, err, "the secrets of the location cannot be read", name)
	}
	require.Error(t, importinto.CloseLocation(nil, &m, location))

	require.NoError(t, importinto.CloseLocation(nil, &m, "/data/x.csv"), "a path has no secrets")
	require.Empty(t, m.Sealed)
	got, err = importinto.Location(nil, m)
	require.NoError(t, err)
	require.Equal(t, "/data/x.csv", got)
}
