package table

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommented: an option that no engine knows is in a comment, whatever its value. What
// versions are to read is none, and neither is the value of a COMMENT.
func TestCommented(t *testing.T) {
	for line, want := range map[string]bool{
		"KEY `k` (`a`)":                                     false,
		"KEY `k` (`a`) /* `x`='1' */":                       true,
		"KEY `k` (`a`) /* `x`='*\\/, RENAME TO `b`' */":     true,
		"KEY `k` (`a`) COMMENT '/* it''s text */'":          false,
		"KEY `/* k */` (`a`)":                               false,
		"KEY `k` (`a`) /*!80000 INVISIBLE */":               false,
		"KEY `k` (`a`) /*!80000 INVISIBLE */ /* `x`='1' */": true,
	} {
		require.Equal(t, want, commented(line), line)
	}
}
