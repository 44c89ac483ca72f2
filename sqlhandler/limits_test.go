package sqlhandler

import (
	"strconv"
	"testing"

	"dxfproxy/dxf"
	"dxfproxy/sysvars"
)

// TestS21Defaults: the stores and the dispatcher have the limits' defaults of their own.
func TestS21Defaults(t *testing.T) {
	for _, name := range []string{sysvars.MaxUserJobs, sysvars.MaxUserQueuedJobs} {
		v, ok := sysvars.Lookup(name)
		if !ok || v.Default != strconv.Itoa(dxf.UserLimit(nil, name)) {
			t.Errorf("%s: %v, %d", name, v, dxf.UserLimit(nil, name))
		}
	}
}
