package sqlhandler

import (
	"strconv"
	"strings"
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

// TestS8UnsupportedIsShort: a long statement that nobody will run is not parsed, nor
// sent back.
func TestS8UnsupportedIsShort(t *testing.T) {
	for _, text := range []string{"ADMIN " + strings.Repeat("~", 1<<20), strings.Repeat("ADMIN", 1<<18)} {
		allocs := testing.AllocsPerRun(1, func() { _ = unsupported(text) })
		if e := unsupported(text); allocs > 1000 || len(e.Message) > 100 {
			t.Errorf("%.20s: %v allocations, %d bytes", text, allocs, len(e.Message))
		}
	}
	if e := unsupported("ADMIN FOO"); e.Code != 1064 {
		t.Errorf("%v", e)
	}
}
