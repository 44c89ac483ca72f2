package source_test

import (
	"testing"

	"go.uber.org/goleak"
)

// A source that was closed leaves nothing running.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
