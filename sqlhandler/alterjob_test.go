package sqlhandler

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/sqltext"
)

func TestModification(t *testing.T) {
	for option, want := range map[string]string{
		"THREAD = 0":                "the value 0 for thread is out of range [1, 256]",
		"THREAD = 257":              "the value 257 for thread is out of range [1, 256]",
		"Thread = -1":               "the value -1 for thread is out of range [1, 256]",
		"THREAD = '8'":              "the value for thread is invalid, only integer is allowed",
		"THREAD = 1.5":              "the value for thread is invalid, only integer is allowed",
		"BATCH_SIZE = 31":           "the value 31 for batch_size is out of range [32, 10240]",
		"MAX_WRITE_SPEED = 1.23":    "the value 1.23 for max_write_speed is invalid",
		"MAX_WRITE_SPEED = '20xl'":  "parse max_write_speed value error: invalid suffix: 'xl'",
		"MAX_WRITE_SPEED = 'fast'":  "parse max_write_speed value error: invalid size: 'fast'",
		"MAX_WRITE_SPEED = '2PiB'":  "the value 2251799813685248 for max_write_speed is out of range [0, 1125899906842624]",
		"NOPE = 1":                  "unsupported admin alter ddl jobs config: nope",
		"THREAD = 8":                "",
		"batch_size 32":             "",
		"MAX_WRITE_SPEED = '1.23'":  "",
		"MAX_WRITE_SPEED = '2 MiB'": "",
		"MAX_WRITE_SPEED = 0":       "",
	} {
		st := alterDDLJob(t, option)
		_, err := modification(st.Options[0])
		if want == "" {
			require.NoError(t, err, option)
			continue
		}
		require.Equal(t, dxf.Errorf("%s", want), err, option)
	}
	m, err := modification(alterDDLJob(t, "MAX_WRITE_SPEED = '2MiB'").Options[0])
	require.NoError(t, err)
	require.Equal(t, dxf.Modification{Type: dxf.ModifyMaxWriteSpeed, To: 2 << 20}, m)
}

func alterDDLJob(t *testing.T, option string) *sqltext.AlterDDLJob {
	t.Helper()
	st, ok := sqltext.Classify([]byte("ADMIN ALTER DDL JOBS 5 "+option), sqltext.Mode{}).(*sqltext.AlterDDLJob)
	require.True(t, ok, option)
	return st
}
