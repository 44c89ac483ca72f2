package sqlhandler

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/source"
	"dxfproxy/sqltext"
	"dxfproxy/sysvars"
)

// importSettings is what the options say.
type importSettings struct {
	csv           decode.CSVConfig
	splitFile     bool
	thread        int
	maxWriteSpeed int64
	checksum      string
	detached      bool
}

// knownOptions says of every option whether it has a value.
var knownOptions = map[string]bool{
	"character_set": true, "fields_terminated_by": true, "fields_enclosed_by": true, "fields_escaped_by": true,
	"fields_defined_null_by": true, "lines_terminated_by": true, "skip_rows": true, "split_file": false,
	"disk_quota": true, "thread": true, "max_write_speed": true, "checksum_table": true, "record_errors": true,
	"detached": false, "disable_tikv_import_mode": false, "cloud_storage_uri": true, "disable_precheck": false,
	"__max_engine_size": true, "__force_merge_step": false,
}

var (
	csvOptions = []string{
		"character_set", "fields_terminated_by", "fields_enclosed_by", "fields_escaped_by",
		"fields_defined_null_by", "lines_terminated_by", "skip_rows", "split_file",
	}
	queryOptions = []string{"thread", "disable_precheck"}
	// Character sets a CSV file may be in, and what we call them.
	fileCharsets = map[string]string{
		"binary": "binary", "utf8": "", "utf8mb4": "", "gb18030": "gb18030", "gbk": "gbk", "latin1": "latin1", "ascii": "ascii",
	}
	checksumLevels = map[string]string{"required": "required", "true": "required", "optional": "optional", "off": "off", "false": "off"}
)

// checkOptions says what the options of a statement mean, or why not. cpus are
// those of this node. The order of the checks is TiDB's: names, then each option
// by itself, then what does not go together.
func checkOptions(st *sqltext.Import, cpus int) (importSettings, error) {
	set := importSettings{
		csv:    decode.CSVConfig{Terminated: ",", Enclosed: `"`, Escaped: `\`, Null: `\N`},
		thread: max(1, cpus/2), checksum: "required",
	}
	limit := cpus
	if st.Query {
		set.thread, limit = 2, 2*cpus
	}
	given, err := nameOptions(st)
	if err != nil {
		return set, err
	}
	c := optionChecker{given: given}
	if s, ok := c.text("character_set"); ok {
		set.csv.Charset, ok = fileCharsets[strings.ToLower(s)]
		c.refuseUnless(ok, "character_set")
	}
	if s, ok := c.text("fields_terminated_by"); ok {
		c.refuseUnless(s != "", "fields_terminated_by")
		set.csv.Terminated = s
	}
	if s, ok := c.text("fields_enclosed_by"); ok {
		c.refuseUnless(len(s) <= 1, "fields_enclosed_by")
		set.csv.Enclosed = s
	}
	if s, ok := c.text("fields_escaped_by"); ok {
		c.refuseUnless(len(s) <= 1, "fields_escaped_by")
		set.csv.Escaped = s
	}
	if s, ok := c.text("fields_defined_null_by"); ok {
		set.csv.Null = s
	}
	if s, ok := c.text("lines_terminated_by"); ok {
		c.refuseUnless(s != "", "lines_terminated_by")
		set.csv.LineEnd = s
	}
	if n, ok := c.integer("skip_rows", 0); ok {
		set.csv.SkipRows = n
	}
	_, set.splitFile = given["split_file"]
	c.size("disk_quota", 1) // the store's disk is not ours to measure
	if n, ok := c.integer("thread", 1); ok {
		set.thread = int(min(n, int64(limit)))
	}
	if n, ok := c.size("max_write_speed", 0); ok {
		set.maxWriteSpeed = n
	}
	if s, ok := c.text("checksum_table"); ok {
		set.checksum, ok = checksumLevels[strings.ToLower(s)]
		c.refuseUnless(ok, "checksum_table")
	}
	c.integer("record_errors", -1) // none is passed over
	_, set.detached = given["detached"]
	if s, ok := c.text("cloud_storage_uri"); ok { // nothing is sorted there
		c.refuseUnless(s == "" || isCloudURI(s), "cloud_storage_uri")
	}
	c.size("__max_engine_size", 0)
	switch {
	case c.err != nil:
		return set, c.err
	case set.splitFile && set.csv.SkipRows > 1:
		return set, badOption("skip_rows, should be <= 1 when split-file is enabled")
	case set.splitFile && set.csv.LineEnd == "":
		return set, badOption("lines_terminated_by, should not be empty when use split_file")
	}
	set.thread = min(set.thread, limit)
	return set, nil
}

// nameOptions checks the names of the options, and which may stand together with
// the format.
func nameOptions(st *sqltext.Import) (map[string]sqltext.ImportOption, error) {
	given := map[string]sqltext.ImportOption{}
	for _, o := range st.Options {
		hasValue, known := knownOptions[o.Name]
		_, twice := given[o.Name]
		switch {
		case !known:
			return nil, importError(8163, "Unknown option %s", o.Name)
		case hasValue != (o.Kind != sqltext.NoValue):
			return nil, badOption(o.Name)
		case twice:
			return nil, importError(8165, "Option %s specified more than once", o.Name)
		}
		given[o.Name] = o
	}
	for _, o := range st.Options {
		switch {
		case !st.Query && st.Format != "csv" && slices.Contains(csvOptions, o.Name):
			return nil, importError(8166, "Unsupported option %s for non-CSV format", o.Name)
		case st.Query && !slices.Contains(queryOptions, o.Name):
			return nil, importError(8166, "Unsupported option %s for import from query", o.Name)
		}
	}
	return given, nil
}

// optionChecker keeps the first error.
type optionChecker struct {
	given map[string]sqltext.ImportOption
	err   error
}

func (c *optionChecker) refuseUnless(ok bool, name string) {
	if !ok && c.err == nil {
		c.err = badOption(name)
	}
}

func (c *optionChecker) text(name string) (string, bool) {
	o, ok := c.given[name]
	if ok {
		c.refuseUnless(o.Kind == sqltext.TextValue, name)
	}
	return o.Text, ok && o.Kind == sqltext.TextValue
}

func (c *optionChecker) integer(name string, low int64) (int64, bool) {
	o, ok := c.given[name]
	if ok {
		c.refuseUnless(o.Kind == sqltext.IntegerValue && o.N >= low, name)
	}
	return o.N, ok
}

func (c *optionChecker) size(name string, low int64) (int64, bool) {
	s, ok := c.text(name)
	if !ok {
		return 0, false
	}
	n, err := sysvars.ParseSize(s)
	c.refuseUnless(err == nil && n >= low, name)
	return n, true
}

// isCloudURI says whether TiDB could sort at the address: S3 and GCS only.
func isCloudURI(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return false
	}
	return slices.Contains([]string{"s3", "ks3", "gs", "gcs"}, strings.ToLower(u.Scheme))
}

// shownOptions is the options of tidb_import_jobs.parameters: as typed, secrets
// masked.
func shownOptions(st *sqltext.Import) map[string]any {
	if len(st.Options) == 0 {
		return nil
	}
	shown := map[string]any{}
	for _, o := range st.Options {
		switch {
		case o.Kind == sqltext.NoValue:
			shown[o.Name] = nil
		case o.Name == "cloud_storage_uri":
			shown[o.Name] = source.Mask(o.Text)
		default:
			shown[o.Name] = o.Text
		}
	}
	return shown
}

// importError is an error of TiDB's executor.
func importError(code uint16, format string, args ...any) *dxf.Error {
	return &dxf.Error{Code: code, State: "HY000", Class: "executor", Message: fmt.Sprintf(format, args...)}
}

func badOption(what string) *dxf.Error { return importError(8164, "Invalid option value for %s", what) }

func precheckFailed(why string) *dxf.Error { return importError(8173, "PreCheck failed: %s", why) }
