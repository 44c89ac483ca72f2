package sqlhandler

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/sqltext"
	"dxfproxy/sysvars"
)

// TestVariablesInfo lists every variable once, and never the URI with secrets.
func TestVariablesInfo(t *testing.T) {
	text := variablesInfo("dxf")
	for _, v := range sysvars.All() {
		want := 1
		if v.Name == sysvars.CloudStorageURI {
			want = 2 // once more, to be left out
		}
		require.Equal(t, want, strings.Count(text, "'"+v.Name+"'"), v.Name)
	}
	require.Contains(t, text, "g.variable_name = v.VARIABLE_NAME AND v.VARIABLE_NAME <> 'tidb_cloud_storage_uri'")
	st := sqltext.Classify([]byte("SELECT * FROM information_schema.VARIABLES_INFO"), sqltext.Mode{})
	require.IsType(t, &sqltext.Mixed{}, st)
	require.True(t, sqltext.Match([]byte("SELECT * FROM information_schema.VARIABLES_INFO")))
}
