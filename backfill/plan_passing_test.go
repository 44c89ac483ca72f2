package backfill

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/server"
	"dxfproxy/server/servertest"
)

// TestEveryNumberOfThePlan: planning and cleaning end by the same errors as execution, and wait for the
// rest.
func TestEveryNumberOfThePlan(t *testing.T) {
	b := &Planner{}
	for _, e := range servertest.Errors(t) {
		for _, err := range []error{fmt.Errorf("lock: %w", e.Err), fmt.Errorf("make: %w", server.ClientError(e.Err, "t"))} {
			require.Equal(t, e.Waits, b.IsRetryableErr(err), e)
		}
	}
}
