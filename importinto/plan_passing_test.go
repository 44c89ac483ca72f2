package importinto

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/server"
	"dxfproxy/server/servertest"
)

// TestEveryNumberOfPlanning: planning and cleaning end by the same errors as execution, and wait for the
// rest.
func TestEveryNumberOfPlanning(t *testing.T) {
	x := &Planner{}
	for _, e := range servertest.Errors(t) {
		for _, err := range []error{fmt.Errorf("lock: %w", e.Err), fmt.Errorf("make: %w", server.ClientError(e.Err, "t"))} {
			require.Equal(t, e.Waits, x.IsRetryableErr(err), e)
		}
	}
}
