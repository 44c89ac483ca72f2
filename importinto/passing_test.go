package importinto

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/server"
	"dxfproxy/server/servertest"
)

// TestEveryNumberOfSteps: the steps of an import end by the same errors as others', and wait
// for the rest; rows are blamed for no error that passes.
func TestEveryNumberOfSteps(t *testing.T) {
	x := &Worker{}
	for _, e := range servertest.Errors(t) {
		for _, err := range []error{fmt.Errorf("copy: %w", e.Err), fmt.Errorf("build: %w", server.ClientError(e.Err, "t"))} {
			require.Equal(t, e.Waits, x.IsRetryableErr(err), e)
		}
		blamed := (*refused)(nil)
		require.Equal(t, e.Waits, !errors.As(asRefused(e.Err, 0), &blamed), e)
	}
}
