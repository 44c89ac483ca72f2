package sqlhandler

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/sqltext"
	"dxfproxy/table"
)

func readImport(t *testing.T, text, sqlMode string) *sqltext.Import {
	t.Helper()
	st, err := parseImport([]byte(text), sqlMode)
	require.NoError(t, err, text)
	return st
}

// refusalOf is an error as a client sees it, "" for none.
func refusalOf(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(dxf.ErrorOf(err).Error(), "ERROR ")
}

func TestParseImportRefuses(t *testing.T) {
	const syntax = "1064 (42000): You have an error in your SQL syntax; check the manual that corresponds to your TiDB version for the right syntax to use "
	for text, want := range map[string]string{
		"IMPORT INTO":                                  syntax + `line 1 column 11 near "" `,
		"IMPORT INTO t FROM ?":                         syntax + `line 1 column 20 near "?" `,
		"IMPORT INTO t FROM 'a' WITH":                  syntax + `line 1 column 27 near "" `,
		"IMPORT INTO t FROM 'a' WITH thread=1+1":       syntax + `line 1 column 37 near "+1" `,
		"IMPORT INTO t (a, @v) FROM SELECT 1, 2":       "1105 (HY000): Cannot use user variable(v) in IMPORT INTO FROM SELECT statement.",
		"IMPORT INTO t (a) SET b = 1 FROM SELECT 1, 2": "1105 (HY000): Cannot use SET clause in IMPORT INTO FROM SELECT statement.",
	} {
		_, err := parseImport([]byte(text), "")
		require.Equal(t, want, refusalOf(err), text)
	}
}

// TestS31SyntaxErrorsAreMasked: TiDB's parser quotes the statement.
func TestS31SyntaxErrorsAreMasked(t *testing.T) {
	for _, text := range []string{
		"IMPORT INTO t FROM FROM 's3://b/k?secret-access-key=hunter2'",
		"IMPORT INTO t x FROM 's3://b/k?endpoint=http://bob:hunter2@host'",
	} {
		_, err := parseImport([]byte(text), "")
		require.ErrorContains(t, err, "near ")
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, unsupported(text).Error(), "hunter2")
	}
}

func TestInsertSelect(t *testing.T) {
	info := &table.Info{Schema: "d", Name: "t", Columns: []table.Column{
		{Name: "a"}, {Name: "g", Generated: table.Virtual}, {Name: "b"}, {Name: "hidden", Invisible: true},
	}}
	for text, want := range map[string]string{
		"IMPORT INTO t FROM SELECT 1, 2, 3":         "INSERT INTO `d`.`t` (`a`, `b`) WITH __dxf_query (c1, c2, c3) AS (Q) SELECT c1, c3 FROM __dxf_query",
		"IMPORT INTO t (b, A) FROM SELECT 1,2":      "INSERT INTO `d`.`t` (`b`, `a`) Q",
		"IMPORT INTO t (b, hidden) FROM SELECT 1,2": "INSERT INTO `d`.`t` (`b`, `hidden`) Q",
		"IMPORT INTO t (b, g) FROM SELECT 1,2":      "INSERT INTO `d`.`t` (`b`) WITH __dxf_query (c1, c2) AS (Q) SELECT c1 FROM __dxf_query",
	} {
		require.Equal(t, want, insertSelect(info, readImport(t, text, ""), "Q"), text)
	}
}

func TestCheckColumns(t *testing.T) {
	info := &table.Info{Schema: "d", Name: "t", Columns: []table.Column{{Name: "a"}, {Name: "b"}, {Name: "g", Generated: table.Stored}}}
	for text, want := range map[string]string{
		"(a, b, g)":                  "",
		"(a, @, @x) SET b = 1":       "",
		"SET a = 1":                  "",
		"(A, nope)":                  "1054 (42S22): Unknown column 'nope' in 'field list'",
		"(a, a, nope)":               "1054 (42S22): Unknown column 'nope' in 'field list'",
		"(a, A)":                     "1110 (42000): Column 'A' specified twice",
		"(a) SET a = 1":              "1110 (42000): Column 'a' specified twice",
		"(a) SET b = 1, b = 2":       "1110 (42000): Column 'b' specified twice",
		"(a) SET g = 1":              "3105 (HY000): The value specified for generated column 'g' in table 't' is not allowed.",
		"(a, @v) SET b = @v, x = @v": "1054 (42S22): Unknown column 'x' in 'field list'",
	} {
		require.Equal(t, want, refusalOf(checkColumns(info, readImport(t, "IMPORT INTO t "+text+" FROM 'f'", ""))), text)
	}
}

func TestCheckOptions(t *testing.T) {
	const cpus = 8
	plain := importSettings{
		csv:    decode.CSVConfig{Terminated: ",", Enclosed: `"`, Escaped: `\`, Null: `\N`},
		thread: 4, checksum: "required",
	}
	with := func(change func(*importSettings)) importSettings {
		s := plain
		change(&s)
		return s
	}
	for options, want := range map[string]importSettings{
		"": plain,
		"disable_tikv_import_mode, disable_precheck, __force_merge_step, __max_engine_size='1gb'": plain,
		"CHARACTER_SET='UTF8'":    plain,
		"character_set='utf8mb4'": plain,
		"character_set='GBK'":     with(func(s *importSettings) { s.csv.Charset = "gbk" }),
		"character_set='binary'":  with(func(s *importSettings) { s.csv.Charset = "binary" }),
		`fields_terminated_by='\t', fields_enclosed_by='', fields_escaped_by=''`: with(func(s *importSettings) {
			s.csv.Terminated, s.csv.Enclosed, s.csv.Escaped = "\t", "", ""
		}),
		"fields_terminated_by=X'0102'": with(func(s *importSettings) { s.csv.Terminated = "\x01\x02" }),
		"fields_defined_null_by=''":    with(func(s *importSettings) { s.csv.Null = "" }),
		`lines_terminated_by='\r\n', split_file, skip_rows=1`: with(func(s *importSettings) {
			s.csv.LineEnd, s.splitFile, s.csv.SkipRows = "\r\n", true, 1
		}),
		"skip_rows=7":                   with(func(s *importSettings) { s.csv.SkipRows = 7 }),
		"disk_quota='200MiB'":           plain,
		"thread=3":                      with(func(s *importSettings) { s.thread = 3 }),
		"thread=3000000000":             with(func(s *importSettings) { s.thread = 8 }),
		"max_write_speed='200MiB'":      with(func(s *importSettings) { s.maxWriteSpeed = 200 << 20 }),
		"max_write_speed='1.5k'":        with(func(s *importSettings) { s.maxWriteSpeed = 1536 }),
		"max_write_speed='0'":           plain,
		"checksum_table='TRUE'":         plain,
		"checksum_table='Optional'":     with(func(s *importSettings) { s.checksum = "optional" }),
		"checksum_table='false'":        with(func(s *importSettings) { s.checksum = "off" }),
		"record_errors=-1":              with(func(*importSettings) {}),
		"record_errors=0, detached":     with(func(s *importSettings) { s.detached = true }),
		"cloud_storage_uri=''":          plain,
		"cloud_storage_uri='s3://b/x'":  plain,
		"cloud_storage_uri='GCS://b/x'": plain,
	} {
		text := "IMPORT INTO t FROM 'f'"
		if options != "" {
			text += " WITH " + options
		}
		got, err := checkOptions(readImport(t, text, ""), cpus)
		require.NoError(t, err, options)
		require.Equal(t, want, got, options)
	}
	s, err := checkOptions(readImport(t, "IMPORT INTO t FROM 'f'", ""), 1)
	require.NoError(t, err)
	require.Equal(t, 1, s.thread, "half of one processor")
}

const invalidOption = "8164 (HY000): Invalid option value for "

// refusedOptions are options of IMPORT INTO from a file, and what is said about them.
var refusedOptions = map[string]string{
	"nope":                               "8163 (HY000): Unknown option nope",
	"nope='1', thread=0":                 "8163 (HY000): Unknown option nope",
	"thread=1, THREAD=2":                 "8165 (HY000): Option thread specified more than once",
	"thread":                             invalidOption + "thread",
	"detached=1":                         invalidOption + "detached",
	"split_file='x'":                     invalidOption + "split_file",
	"disable_precheck=TRUE":              invalidOption + "disable_precheck",
	"disable_tikv_import_mode=NULL":      invalidOption + "disable_tikv_import_mode",
	"__force_merge_step=1":               invalidOption + "__force_merge_step",
	"thread=0":                           invalidOption + "thread",
	"thread=-1":                          invalidOption + "thread",
	"thread='1'":                         invalidOption + "thread",
	"thread=1.5":                         invalidOption + "thread",
	"thread=TRUE":                        invalidOption + "thread",
	"thread=NULL":                        invalidOption + "thread",
	"thread=18446744073709551615":        invalidOption + "thread",
	"character_set=''":                   invalidOption + "character_set",
	"character_set='sjis'":               invalidOption + "character_set",
	"character_set=utf8":                 "syntax",
	"fields_terminated_by=''":            invalidOption + "fields_terminated_by",
	"fields_terminated_by=7":             invalidOption + "fields_terminated_by",
	"fields_terminated_by=NULL":          invalidOption + "fields_terminated_by",
	"fields_enclosed_by='ab'":            invalidOption + "fields_enclosed_by",
	"fields_enclosed_by='é'":             invalidOption + "fields_enclosed_by",
	"fields_escaped_by='ab'":             invalidOption + "fields_escaped_by",
	"fields_defined_null_by=1":           invalidOption + "fields_defined_null_by",
	"lines_terminated_by=''":             invalidOption + "lines_terminated_by",
	"skip_rows=-1":                       invalidOption + "skip_rows",
	"skip_rows='1'":                      invalidOption + "skip_rows",
	"disk_quota='aa'":                    invalidOption + "disk_quota",
	"disk_quota='220MiBxxx'":             invalidOption + "disk_quota",
	"disk_quota=1":                       invalidOption + "disk_quota",
	"disk_quota='0'":                     invalidOption + "disk_quota",
	"max_write_speed=1":                  invalidOption + "max_write_speed",
	"max_write_speed='aa'":               invalidOption + "max_write_speed",
	"max_write_speed='-1'":               invalidOption + "max_write_speed",
	"max_write_speed=-1":                 invalidOption + "max_write_speed",
	"checksum_table='any'":               invalidOption + "checksum_table",
	"checksum_table=1":                   invalidOption + "checksum_table",
	"record_errors=-2":                   invalidOption + "record_errors",
	"record_errors='x'":                  invalidOption + "record_errors",
	"cloud_storage_uri=1":                invalidOption + "cloud_storage_uri",
	"cloud_storage_uri='sdsd'":           invalidOption + "cloud_storage_uri",
	"cloud_storage_uri='http://sdsd'":    invalidOption + "cloud_storage_uri",
	"cloud_storage_uri='azure://b/x'":    invalidOption + "cloud_storage_uri",
	"cloud_storage_uri='s3:///x'":        invalidOption + "cloud_storage_uri",
	"__max_engine_size='x'":              invalidOption + "__max_engine_size",
	"split_file":                         invalidOption + "lines_terminated_by, should not be empty when use split_file",
	"split_file, skip_rows=2":            invalidOption + "skip_rows, should be <= 1 when split-file is enabled",
	"record_errors=-2, thread=0":         invalidOption + "thread",
	"split_file, skip_rows=2, thread=-1": invalidOption + "thread",
}

func TestCheckOptionsRefuses(t *testing.T) {
	for options, want := range refusedOptions {
		st, err := parseImport([]byte("IMPORT INTO t FROM 'f' WITH "+options), "")
		if want == "syntax" {
			require.ErrorContains(t, err, "1064", options)
			continue
		}
		require.NoError(t, err, options)
		_, err = checkOptions(st, 8)
		require.Equal(t, want, refusalOf(err), options)
	}
	for _, option := range csvOptions {
		o := option + "='x'"
		if option == "split_file" {
			o = option
		}
		for _, format := range []string{"sql", "Parquet"} {
			_, err := checkOptions(readImport(t, "IMPORT INTO t FROM 'f' FORMAT '"+format+"' WITH "+o, ""), 8)
			require.Equal(t, "8166 (HY000): Unsupported option "+option+" for non-CSV format", refusalOf(err))
		}
	}
	for option, hasValue := range knownOptions {
		o, want := option, "8166 (HY000): Unsupported option "+option+" for import from query"
		switch {
		case option == "thread":
			o, want = "thread=5", ""
		case option == "disable_precheck":
			want = ""
		case hasValue:
			o += "='x'"
		}
		_, err := checkOptions(readImport(t, "IMPORT INTO t FROM SELECT 1 WITH "+o, ""), 8)
		require.Equal(t, want, refusalOf(err), option)
	}
}

func TestCheckSet(t *testing.T) {
	const tail = " is not supported in IMPORT INTO column assignment, index "
	for set, want := range map[string]string{
		"a = @v": "",
		"a = @V + 1, b = NULLIF(TRIM(LEADING ' ' FROM @v), '')":                                  "",
		"a = CASE WHEN @v IN ('x', 'y') THEN NULL ELSE -(@v * 2) END":                            "",
		"a = DATE_ADD(STR_TO_DATE(@v, '%d.%m.%Y'), INTERVAL 1 DAY)":                              "",
		"a = CAST(@v AS DECIMAL(10,2)), b = CONVERT(@v USING latin1), c = _latin1'x'":            "",
		"a = UNHEX(@v), b = @v REGEXP '^a', c = @v BETWEEN 1 AND 2, d = @v LIKE 'a%', e = NOW()": "",
		"a = DATE '2020-01-01', b = TIMESTAMP '2020-01-01 00:00:00', c = @v IS NULL, d = TRUE":   "",
		"a = JSON_EXTRACT(@v, '$.a'), b = MD5(@v), c = @v COLLATE utf8mb4_bin, d = x'41'":        "",
		"a = getvar('V')":             "",
		"a = b":                       "COLUMN reference" + tail + "0",
		"a = @v, b = t.c":             "COLUMN reference" + tail + "1",
		"a = (SELECT 1)":              "subquery" + tail + "0",
		"a = @v IN (SELECT x FROM y)": "subquery" + tail + "0",
		"a = EXISTS (SELECT 1)":       "subquery" + tail + "0",
		"a = @@version":               "system variable" + tail + "0",
		"a = (@v := 1)":               "setting a variable in IMPORT INTO column assignment is not supported, index 0",
		"a = @w":                      "column assignment cannot use variables set outside IMPORT INTO statement, index 0",
		"a = @v, b = @x, c = @y":      "column assignment cannot use variables set outside IMPORT INTO statement, index 1,2",
		"a = getvar('x')":             "column assignment cannot use variables set outside IMPORT INTO statement, index 0",
		"a = getvar(@v)":              "the argument of getvar should be a constant string in IMPORT INTO column assignment, index 0",
		"a = DEFAULT(b)":              "FUNCTION default" + tail + "0",
		"a = VALUES(b)":               "COLUMN reference" + tail + "0",
		"a = ROW_NUMBER() OVER ()":    "window FUNCTION ROW_NUMBER" + tail + "0",
		"a = SUM(@v)":                 "aggregate FUNCTION SUM" + tail + "0",
		"a = nofunc(@v)":              "FUNCTION nofunc" + tail + "0",
		"a = d.trim(@v)":              "FUNCTION trim" + tail + "0",
		"a = UPPER(load_file(@v))":    "FUNCTION load_file" + tail + "0",
		"a = Sleep(1)":                "FUNCTION Sleep" + tail + "0",
		"a = CURRENT_USER()":          "FUNCTION CURRENT_USER" + tail + "0",
		"a = CONNECTION_ID()":         "FUNCTION CONNECTION_ID" + tail + "0",
		"a = LAST_INSERT_ID()":        "FUNCTION LAST_INSERT_ID" + tail + "0",
		"a = GET_LOCK('x', 1)":        "FUNCTION GET_LOCK" + tail + "0",
		"a = BENCHMARK(1, 1)":         "FUNCTION BENCHMARK" + tail + "0",
		"a = NEXTVAL(s)":              "this expression" + tail + "0",
		"a = MATCH (b) AGAINST ('x')": "this expression" + tail + "0",
		"a = IF(1, tidb_is_ddl_owner(), DATABASE())": "FUNCTION tidb_is_ddl_owner" + tail + "0",
	} {
		err := checkSet(readImport(t, "IMPORT INTO t (@v) SET "+set+" FROM 'f'", ""))
		if want != "" {
			want = "1105 (HY000): " + want
		}
		require.Equal(t, want, refusalOf(err), set)
	}
}

// TestShownOptions: what is stored of the options are those typed, without secrets.
func TestShownOptions(t *testing.T) {
	st := readImport(t, "IMPORT INTO t FROM 'f' WITH thread=4, detached, fields_terminated_by='\\t', cloud_storage_uri='s3://b/x?access-key=AK&secret-access-key=SK'", "")
	raw, err := json.Marshal(shownOptions(st))
	require.NoError(t, err)
	require.JSONEq(t, `{"thread":"4","detached":null,"fields_terminated_by":"\t","cloud_storage_uri":"s3://b/x?access-key=xxxxxx&secret-access-key=xxxxxx"}`, string(raw))
	require.Nil(t, shownOptions(readImport(t, "IMPORT INTO t FROM 'f'", "")))
}

func TestLoggable(t *testing.T) {
	text := loggable([]byte("IMPORT INTO t FROM 's3://b/x.csv?access-key=AK1&secret_access_key=SK1' WITH thread=1" + strings.Repeat(" ", 300)))
	require.Contains(t, text, "IMPORT INTO t FROM 's3://b/x.csv")
	require.NotContains(t, text, "AK1")
	require.NotContains(t, text, "SK1")
	require.Len(t, text, 200)
}

func TestImportRow(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 95698000, time.UTC)
	j := dxf.ImportJob{
		ID: 7, CreateTime: at, Schema: "d", Table: "t`x", CreatedBy: "root@%", SourceSize: 7780, Status: dxf.ImportPending,
		Parameters: dxf.ImportParameters{FileLocation: "/x.csv"},
	}
	row := func() []any { return importRow(j, time.FixedZone("", 3600)) }
	require.Equal(t, []any{
		int64(7), "/x.csv", "`d`.`t``x`", int64(0), "", "pending", "7.598KiB", nil, "", "2026-01-02 04:04:05.095698", nil, nil, "root@%",
	}, row())

	j.Status, j.Phase, j.StartTime, j.Rows = dxf.ImportRunning, dxf.PhaseImporting, at, 300
	j.Progress = &dxf.Progress{State: dxf.TaskRunning, Step: importinto.StepImport, Bytes: 1945, Size: 7780, Elapsed: 10 * time.Second}
	require.Equal(t, []any{"importing", "running", "7.598KiB", int64(300), "import, 1.899KiB of 7.598KiB, 30 rows/s, 31s left"}, row()[4:9])
	j.Waiting = "no free slot"
	require.Contains(t, row()[8], "31s left, no free slot")
	j.Progress.Note = "only n1 see the files"
	require.Contains(t, row()[8], "left, no free slot, only n1 see the files")
	j.Progress.Note = ""
	j.Progress.Step, j.Progress.State, j.Waiting = importinto.StepBuild, dxf.TaskCancelling, ""
	require.Equal(t, "build, cancelling", row()[8])

	j.Status, j.Error = dxf.ImportFailed, importError(8160, "gone")
	require.Equal(t, []any{"failed", "7.598KiB", nil, "[executor:8160]gone"}, row()[5:9])
	j.Status, j.Phase, j.Error = dxf.ImportFinished, "", nil
	require.Equal(t, []any{"", "finished", "7.598KiB", int64(300), ""}, row()[4:9])
}

func TestBinarySize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0B", 3: "3B", 16: "16B", 1023: "1023B", 1024: "1KiB", 7780: "7.598KiB", 390 << 20: "390MiB", 1 << 30: "1GiB", 1144569603587: "1.041TiB",
	} {
		require.Equal(t, want, binarySize(n))
	}
}
