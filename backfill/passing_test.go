package backfill

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/server"
	"dxfproxy/server/servertest"
)

// TestEveryNumberOfBackfill: the steps of a backfill end by the same errors as others', and
// wait for the rest.
func TestEveryNumberOfBackfill(t *testing.T) {
	b := &Worker{}
	for _, e := range servertest.Errors(t) {
		for _, err := range []error{fmt.Errorf("copy: %w", e.Err), fmt.Errorf("build: %w", server.ClientError(e.Err, "t"))} {
			require.Equal(t, e.Waits, b.IsRetryableErr(err), e)
		}
	}
}
