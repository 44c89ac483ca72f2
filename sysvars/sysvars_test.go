package sysvars_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/sysvars"
)

func TestCheck(t *testing.T) {
	const max63 = "9223372036854775807"
	for _, c := range []struct {
		name, text string
		kind       sysvars.ValueKind
		want       string
		number     uint16 // of the warning (1292) or the error
	}{
		{"tidb_enable_dist_task", "oFf", sysvars.WordValue, "OFF", 0},
		{"tidb_enable_dist_task", "FALSE", sysvars.BoolValue, "OFF", 0},
		{"tidb_enable_dist_task", "true", sysvars.StringValue, "", 1231},
		{"tidb_enable_dist_task", " on", sysvars.StringValue, "", 1231},
		{"tidb_enable_dist_task", "", sysvars.NullValue, "", 1231},
		{"tidb_ddl_reorg_worker_cnt", "8", sysvars.StringValue, "8", 0},
		{"tidb_ddl_reorg_worker_cnt", "TRUE", sysvars.BoolValue, "1", 0},
		{"tidb_ddl_reorg_worker_cnt", "257", sysvars.NumberValue, "256", 1292},
		{"tidb_ddl_reorg_worker_cnt", "", sysvars.NullValue, "", 1232},
		{"tidb_ddl_reorg_worker_cnt", "-x", sysvars.StringValue, "", 1232},
		{"tidb_ddl_reorg_worker_cnt", "99999999999999999999", sysvars.NumberValue, "", 1232},
		{"tidb_ddl_error_count_limit", "9223372036854775808", sysvars.NumberValue, max63, 1292},
		{"tidb_max_dist_task_nodes", "0", sysvars.NumberValue, "", 1105},
		{"tidb_max_dist_task_nodes", "129", sysvars.NumberValue, "128", 1292},
		{"tidb_max_dist_task_nodes", "-2", sysvars.NumberValue, "-1", 1292},
		{"tidb_max_dist_task_nodes", "-1", sysvars.NumberValue, "-1", 0},
		{"tidb_ddl_reorg_priority", "1", sysvars.NumberValue, "PRIORITY_NORMAL", 0},
		{"tidb_ddl_reorg_priority", "3", sysvars.NumberValue, "", 1231},
		{"tidb_ddl_reorg_priority", "priority_high", sysvars.WordValue, "PRIORITY_HIGH", 0},
		{"tidb_redact_log", "marker", sysvars.WordValue, "MARKER", 0},
		{"tidb_redact_log", "1", sysvars.NumberValue, "ON", 0},
		{"tidb_service_scope", "789z-_", sysvars.StringValue, "789z-_", 0},
		{"tidb_service_scope", "-----", sysvars.StringValue, "-----", 0},
		{"tidb_service_scope", "789z-_)", sysvars.StringValue, "", 1105},
		{"tidb_service_scope", strings.Repeat("A", 64), sysvars.StringValue, strings.Repeat("a", 64), 0},
		{"tidb_service_scope", strings.Repeat("A", 65), sysvars.StringValue, "", 1105},
		{"tidb_service_scope", "rand", sysvars.WordValue, "rand", 0},
		{"dxf_native_ddl_max_size", "128m", sysvars.StringValue, "134217728", 0},
		{"dxf_native_ddl_max_size", "0", sysvars.NumberValue, "0", 0},
		{"dxf_native_ddl_max_size", "x", sysvars.DefaultValue, "67108864", 0},
		{"dxf_native_ddl_max_size", "1024 * 4", sysvars.Expr, "", 1232},
		{"tidb_ddl_reorg_max_write_speed", "-1", sysvars.NumberValue, "", 1105},
	} {
		v, ok := sysvars.Lookup(c.name)
		require.True(t, ok, c.name)
		got, w, e := v.Check(c.text, c.kind)
		var number uint16
		if w != nil {
			number = w.Number
		}
		if e != nil {
			number = e.Number
			require.Len(t, e.SQLState, 5)
		}
		require.Equal(t, c.number, number, "%s = %s", c.name, c.text)
		require.Equal(t, c.want, got, "%s = %s", c.name, c.text)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"2KB": 2048, "3MiB": 3 << 20, "4 gb": 4 << 30, "1125899906842624": 1 << 50, "1.23": 1, "1.5k": 1536,
		"7b": 7, "1P": 1 << 50, "0": 0, "99999999p": 1<<63 - 1,
	} {
		n, err := sysvars.ParseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, n, text)
	}
	for text, want := range map[string]string{
		"": "invalid size: ''", "abc": "invalid size: 'abc'", "-1": "invalid size: '-1'",
		"20xl": "invalid suffix: 'xl'", "1mbb": "invalid suffix: 'mbb'", "1xib": "invalid suffix: 'xib'",
		"1byte": "invalid suffix: 'byte'", "1bb": "invalid suffix: 'bb'",
	} {
		_, err := sysvars.ParseSize(text)
		require.EqualError(t, err, want, text)
	}
	_, err := sysvars.ParseSize("1..2k")
	require.Error(t, err)
}

func TestLookupAndList(t *testing.T) {
	v, ok := sysvars.Lookup("TiDB_Enable_Dist_Task")
	require.True(t, ok)
	require.Equal(t, sysvars.EnableDistTask, v.Name)
	_, ok = sysvars.Lookup("tidb_no_such_variable")
	require.False(t, ok)

	all := sysvars.All()
	require.Len(t, all, 21)
	require.True(t, slices.IsSortedFunc(all, func(a, b *sysvars.Var) int { return strings.Compare(a.Name, b.Name) }))
	for _, v := range all {
		norm, w, e := v.Check(v.Default, sysvars.StringValue)
		require.Nil(t, e, v.Name)
		require.Nil(t, w, v.Name)
		require.Equal(t, v.Default, norm, "%s: the default is not in normal form", v.Name)
	}
}

func TestScopes(t *testing.T) {
	lookup := func(name string) *sysvars.Var { v, _ := sysvars.Lookup(name); return v }
	for _, c := range []struct {
		name      string
		form      sysvars.Form
		set, read uint16
	}{
		{sysvars.EnableDistTask, sysvars.FormInstance, 1238, 1238},
		{sysvars.EnableDistTask, sysvars.FormPersist, 0, 0},
		{sysvars.ServiceScope, sysvars.FormInstance, 0, 0},
		{sysvars.ServiceScope, sysvars.FormSession, 0, 1238},
		{sysvars.DDLReorgPriority, sysvars.FormGlobal, 1228, 1238},
		{sysvars.DDLReorgPriority, sysvars.FormPersist, 1228, 1238},
		{sysvars.DDLReorgPriority, sysvars.Plain, 0, 0},
		{sysvars.DDLReorgWorkerCnt, sysvars.FormSession, 0, 0},
	} {
		number := func(e *sysvars.Error) uint16 {
			if e == nil {
				return 0
			}
			return e.Number
		}
		_, e := lookup(c.name).CheckSet(c.form)
		require.Equal(t, c.set, number(e), "SET form %d of %s", c.form, c.name)
		_, e = lookup(c.name).CheckRead(c.form)
		require.Equal(t, c.read, number(e), "SELECT form %d of %s", c.form, c.name)
	}
	_, e := lookup(sysvars.DDLReorgPriority).CheckRead(sysvars.FormGlobal)
	require.Equal(t, "Variable 'tidb_ddl_reorg_priority' is a SESSION variable", e.Message)
}

func TestShowHidesSecrets(t *testing.T) {
	v, _ := sysvars.Lookup(sysvars.CloudStorageURI)
	for in, want := range map[string]string{
		"": "",
		"s3://b/p?access-key=A&endpoint=http%3A%2F%2Fx":    "s3://b/p?access-key=xxxxxx&endpoint=http%3A%2F%2Fx",
		"S3://b/p?secret-access-key=a%2Fb&session-token=t": "S3://b/p?secret-access-key=xxxxxx&session-token=xxxxxx",
		"gcs://b/p?access-key=A":                           "gcs://b/p?access-key=A",
	} {
		require.Equal(t, want, v.Show(in))
		require.Equal(t, want, v.Select(in))
	}
}
