package seal_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/seal"
)

// TestS19Location: the meta of an import has no secret in it, and gives the location
// back to who has the key, for this import alone.
func TestS19Location(t *testing.T) {
	const location = "s3://b/k*.csv?access-key=AK&secret-access-key=very%2Fsecret&session-token=tik.tak"
	key := seal.NewKey("password", "dxf")
	m := dxf.ImportMeta{MetaHead: dxf.MetaHead{Schema: "d", Table: "t"}}
	require.NoError(t, key.Close(&m, location))
	text, err := json.Marshal(m)
	require.NoError(t, err)
	for _, secret := range []string{"very", "tik.tak", "=AK"} {
		require.NotContains(t, string(text), secret)
	}
	require.Contains(t, m.Location, "s3://b/k*.csv?")
	got, err := seal.NewKey("password", "dxf").Location(m)
	require.NoError(t, err)
	require.Equal(t, location, got)

	other := m
	other.Table = "u"
	for name, open := range map[string]func() (string, error){
		"another table":    func() (string, error) { return key.Location(other) },
		"another password": func() (string, error) { return seal.NewKey("changed", "dxf").Location(m) },
		"no key":           func() (string, error) { return (*seal.Key)(nil).Location(m) },
	} {
		_, err := open()
		require.ErrorContains(t, err, "the secrets of the location cannot be read", name)
	}
	require.Error(t, (*seal.Key)(nil).Close(&m, location))

	require.NoError(t, (*seal.Key)(nil).Close(&m, "/data/x.csv"), "a path has no secrets")
	require.Empty(t, m.Sealed)
	got, err = (*seal.Key)(nil).Location(m)
	require.NoError(t, err)
	require.Equal(t, "/data/x.csv", got)
}
