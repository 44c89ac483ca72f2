package executor

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/server"
	"dxfproxy/server/servertest"
)

// TestEveryNumber: the steps of both types of job end by the same errors, and wait for the
// rest; rows are blamed for no error that passes.
func TestEveryNumber(t *testing.T) {
	b, x := &Backfill{}, &Import{}
	for _, e := range servertest.Errors(t) {
		for _, err := range []error{fmt.Errorf("copy: %w", e.Err), fmt.Errorf("build: %w", server.ClientError(e.Err, "t"))} {
			require.Equal(t, e.Waits, b.IsRetryableErr(err), e)
			require.Equal(t, e.Waits, x.IsRetryableErr(err), e)
		}
		blamed := (*refused)(nil)
		require.Equal(t, e.Waits, !errors.As(asRefused(e.Err, 0), &blamed), e)
	}
}
