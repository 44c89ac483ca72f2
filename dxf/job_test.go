package dxf_test

import (
	"strconv"
	"testing"

	"dxfproxy/dxf"
	"dxfproxy/sysvars"
)

// TestDefaultsOfJobs: the defaults that COMMENTS leaves out are those of the variables.
func TestDefaultsOfJobs(t *testing.T) {
	for name, n := range map[string]int{sysvars.DDLReorgWorkerCnt: dxf.DefaultThread, sysvars.DDLReorgBatchSize: dxf.DefaultBatchSize} {
		if v, ok := sysvars.Lookup(name); !ok || v.Default != strconv.Itoa(n) {
			t.Errorf("%s is %v by default, not %d", name, v, n)
		}
	}
}
