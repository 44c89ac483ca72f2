package executor

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/server"
	"dxfproxy/server/servertest"
)

// TestEveryNumber: the steps of all types of job end by the same errors, and wait for the
// rest; what cannot be told apart there cannot be anywhere.
func TestEveryNumber(t *testing.T) {
	w := &Worker{}
	for _, e := range servertest.Errors(t) {
		for _, err := range []error{fmt.Errorf("copy: %w", e.Err), fmt.Errorf("build: %w", server.ClientError(e.Err, "t"))} {
			require.Equal(t, e.Waits, w.IsRetryableErr(err), e)
		}
	}
}
