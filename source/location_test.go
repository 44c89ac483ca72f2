package source_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/source"
)

// requireCode wants a client's error with a number, and what its text says.
func requireCode(t *testing.T, err error, code uint16, says ...string) {
	t.Helper()
	var e *dxf.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, e.Message)
	require.Equal(t, "HY000", e.State)
	for _, text := range says {
		require.Contains(t, e.Message, text)
	}
}

const (
	example  = ". Please provide a valid URI, such as 's3://import/test.csv?access-key={your_access_key_id ID}&secret-access-key={your_secret_access_key}&session-token={your_session_token}'"
	relative = "The URI of data source is invalid. Reason: file location should be absolute path when import from server disk" + example
)

func TestParseRefuses(t *testing.T) {
	for uri, want := range map[string]string{
		// As TiDB v8.5 answered.
		"/data/ok.txt":         "The URI of data source is invalid. Reason: the file suffix is not supported when import from server disk" + example,
		"relative.csv":         relative,
		"file:///data/ok.csv":  relative,
		"http://example/a.csv": "The URI of data source is invalid. Reason: storage http not support yet" + example,
		// From its rules.
		"local:///data/ok.csv":                  relative,
		"/etc/passwd":                           "the file suffix is not supported",
		"/data/ok.CSV.bak":                      "the file suffix is not supported",
		"/data/a[.csv":                          "Glob pattern error: syntax error in pattern",
		"s3://b/a[.csv":                         "Glob pattern error: syntax error in pattern",
		"hdfs://x/a.csv":                        "storage hdfs not support yet",
		"s3:///key.csv":                         "please specify the bucket for s3 in s3:///key.csv",
		"gcs:///key.csv":                        "please specify the bucket for gcs in ",
		"azblob:///key.csv":                     "please specify the bucket for azblob in ",
		"s3://b/k.csv?access-key=AKIA":          "secret_access_key not found",
		"s3://b/k.csv?secret_access_key=hidden": "access_key not found",
		"s3://b/k.csv?endpoint=host":            "scheme not found in endpoint",
		"s3://b/k.csv?endpoint=http:///x":       "host not found in endpoint",
		"ks3://b/k.csv":                         "please specify the endpoint for ks3",
		"s3://b/%zz?secret-access-key=hidden":   `invalid URL escape "%zz"`,
		"azure://c/k?encryption-key=hidden&encryption-scope=s": "both encryption-scope and customer provided key",
	} {
		_, err := source.Parse(uri)
		requireCode(t, err, 8158, want)
		require.NotContains(t, err.Error(), "hidden", uri)
	}
	_, err := source.Parse("")
	requireCode(t, err, 8156, "The value of INFILE must not be empty when LOAD DATA from LOCAL")
}

func TestParse(t *testing.T) {
	for uri, want := range map[string][4]string{
		"/data/ok.csv":                {"", "", "/data", "ok.csv"},
		"/a b/100%?+.CSV":             {"", "", "/a b", "100%?+.CSV"},
		"/x.gz":                       {"", "", "/", "x.gz"},
		"s3://b/dir/a-*.csv":          {"s3", "b", "dir/", "a-*.csv"},
		"S3://b//k.csv/":              {"s3", "b", "", "k.csv"},
		"s3://b/d[1]/k+1%20x.csv":     {"s3", "b", "d[1]/", "k+1 x.csv"},
		"ks3://b/k?endpoint=http://h": {"ks3", "b", "", "k"},
		"gs://b/k":                    {"gs", "b", "", "k"},
		"gcs://b/k":                   {"gs", "b", "", "k"},
		"azure://c/k":                 {"azure", "c", "", "k"},
		"azblob://c/k":                {"azure", "c", "", "k"},
	} {
		l, err := source.Parse(uri)
		require.NoError(t, err, uri)
		scheme, bucket, dir, file := l.Where()
		require.Equal(t, want, [4]string{scheme, bucket, dir, file}, uri)
		require.Equal(t, scheme == "", l.Local())
	}
	l, err := source.Parse("s3://b/k?Access_Key=A&secret-access_key=a/b+c%3D&region=r&session_token=t")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"access-key": "A", "secret-access-key": "a/b+c=", "region": "r", "session-token": "t"}, l.Parameters())
}

func TestIsLocal(t *testing.T) {
	for uri, want := range map[string]bool{
		"/data/ok.txt": true, "relative.csv": true, "file:///x": true, "local://x": true,
		"s3://b/k": false, "http://x": false, "/100%": true,
	} {
		local, err := source.IsLocal(uri)
		require.NoError(t, err)
		require.Equal(t, want, local, uri)
	}
	_, err := source.IsLocal("s3://b/%zz?secret-access-key=hidden")
	requireCode(t, err, 8158)
}

func TestMask(t *testing.T) {
	for uri, want := range map[string]string{
		"s3://bucket/file?access-key=123":                              "s3://bucket/file?access-key=xxxxxx",
		"ks3://bucket/file?secret_access_key=1":                        "ks3://bucket/file?secret_access_key=xxxxxx",
		"s3://b/f?region=r&Session-Token=1&access-key=2":               "s3://b/f?Session-Token=xxxxxx&access-key=xxxxxx&region=r",
		"s3://b/a+b.csv?region=a+b&access-key=a+b/c=":                  "s3://b/a+b.csv?access-key=xxxxxx&region=a+b",
		"s3://b/f*.csv?access-key=a+b/c=":                              "s3://b/f*.csv?access-key=xxxxxx",
		"azure://c/f?account-name=test&account-key=123":                "azure://c/f?account-key=xxxxxx&account-name=test",
		"azblob://c/f?sas-token=1&encryption_key=2&encryption-scope=s": "azblob://c/f?encryption-scope=s&encryption_key=xxxxxx&sas-token=xxxxxx",
		"azure://c/f?sas-token=sv=1&se=2&sig=3":                        "azure://c/f?sas-token=xxxxxx&se=2&sig=xxxxxx",
		"azure://c/f?endpoint=https%3A%2F%2Fh%2F%3Fsv%3D1%26sig%3Dx":   "azure://c/f?endpoint=https%3A%2F%2Fh%2F%3Fsv%3D1%26sig%3Dxxxxxx",
		"gs://b/f?credentials-file=/x.json":                            "gs://b/f?credentials-file=/x.json",
		"gs://b/f?secret-access-key=oops":                              "gs://b/f?secret-access-key=xxxxxx",
		"s3://me:word@b/f":                                             "s3://me:xxxxxx@b/f",
		"s3://b/%zz?secret-access-key=x&region=r":                      "s3://b/%zz?secret-access-key=xxxxxx&region=r",
		"s3://b/f?secret%2daccess-key=x":                               "s3://b/f?secret-access-key=xxxxxx",
		"s3://b/f?secret-access-key=50%":                               "s3://b/f?secret-access-key=xxxxxx",
		"/data/a b?access-key=1.csv":                                   "/data/a b?access-key=1.csv",
		"relative.csv":                                                 "relative.csv",
	} {
		require.Equal(t, want, source.Mask(uri), uri)
		require.Equal(t, want, source.Mask(source.Mask(uri)), uri)
	}
}

// TestS29PasswordsAreMasked: of an address in a parameter, and what else may be a
// secret by its name or its place.
func TestS29PasswordsAreMasked(t *testing.T) {
	for uri, want := range map[string]string{
		"s3://b/k?endpoint=http://bob:hunter2@host":              "s3://b/k?endpoint=http%3A%2F%2Fbob%3Axxxxxx%40host",
		"gs://b/k?endpoint=http%3A%2F%2Fbob%3Ahunter2%40host/x":  "gs://b/k?endpoint=http%3A%2F%2Fbob%3Axxxxxx%40host%2Fx",
		"azure://b/k?endpoint=https://bob:hun@ter2@host":         "azure://b/k?endpoint=https%3A%2F%2Fbob%3Axxxxxx%40host",
		"gs://b/k?endpoint=http://bob@host:9000/p@th":            "gs://b/k?endpoint=http://bob@host:9000/p@th",
		"s3://b/%zz?endpoint=http://bob:hunter2@host":            "s3://b/%zz?endpoint=http://bob:xxxxxx@host",
		"s3://b/%zz?endpoint=http%3a%2F%2fbob%3ahunter2%40host/": "s3://b/%zz?endpoint=http%3a%2F%2fbob%3axxxxxx%40host/",
		"gs://b/k?api_key=hunter2&client-secret=hunter2":         "gs://b/k?api_key=xxxxxx&client-secret=xxxxxx",
		"s3://b/k?secret-access-key=hun#ter2":                    "s3://b/k?secret-access-key=xxxxxx",
		"s3://b/k&secret-access-key=hunter2":                     "s3://b/k&secret-access-key=xxxxxx",
		"s3://b/k?sse-kms-key-id=id&credentials-file=/f.json":    "s3://b/k?credentials-file=%2Ff.json&sse-kms-key-id=id",
	} {
		require.Equal(t, want, source.Mask(uri), uri)
		require.Equal(t, want, source.Mask(source.Mask(uri)), uri)
	}
	require.Equal(t, "IMPORT INTO t FROM 's3://b/k?endpoint=http://bob:xxxxxx@host' -- a:b@c",
		source.MaskText("IMPORT INTO t FROM 's3://b/k?endpoint=http://bob:hunter2@host' -- a:b@c"))
	_, err := source.Parse("s3://b/k?endpoint=http://bob:hunter2@ho%20st")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestMaskText(t *testing.T) {
	for text, want := range map[string]string{
		`IMPORT INTO t FROM 's3://b/k?access-key=A&secret-access-key=a/b+c&region=r' WITH thread=8`: `IMPORT INTO t FROM 's3://b/k?access-key=xxxxxx&secret-access-key=xxxxxx&region=r' WITH thread=8`,
		`IMPORT INTO t FROM "azure://c/k?ACCOUNT_KEY=ab c''d" WITH detached`:                        `IMPORT INTO t FROM "azure://c/k?ACCOUNT_KEY=xxxxxx" WITH detached`,
		`FROM 's3://b/k?secret-access-key=it''s \' secret&x=1'`:                                     `FROM 's3://b/k?secret-access-key=xxxxxx&x=1'`,
		`'a' = 'b\'', 's3://x?\secret-access-key=a b'`:                                              `'a' = 'b\'', 's3://x?\secret-access-key=xxxxxx'`,
		`FROM 's3://b/k' WITH cloud_storage_uri='s3://s?session%2Dtoken=x y'`:                       `FROM 's3://b/k' WITH cloud_storage_uri='s3://s?session%2Dtoken=xxxxxx'`,
		`/* s3://b?access-key=A region */ SELECT`:                                                   `/* s3://b?access-key=xxxxxx region */ SELECT`,
		`not-access-key=1 my_access_key=2 access-key = 3`:                                           `not-access-key=1 my_access_key=2 access-key = 3`,
		`'s3://b?access-key=unfinished`:                                                             `'s3://b?access-key=xxxxxx`,
		`access-key=`:                                                                               `access-key=`,
		``:                                                                                          ``,
	} {
		require.Equal(t, want, source.MaskText(text))
		require.Equal(t, want, source.MaskText(want))
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a*.csv", "a.csv", true},
		{"a*.csv", "a1.csv", true},
		{"a*.csv", "a1.csv.gz", false},
		{"a*.csv", "b.csv", false},
		{"*", "d/a", false},
		{"*", "", false},
		{"*", ".hidden", true},
		{"a[0-9].csv", "a7.csv", true},
		{"a[^0-9].csv", "a7.csv", false},
		{"a[0-9].csv", "a77.csv", false},
		{"a?.csv", "aé.csv", true},
		{"a?.csv", "a.csv", false},
		{`a\*.csv`, "a*.csv", true},
		{`a\*.csv`, "ab.csv", false},
		{"A*.csv", "a1.csv", false},
	} {
		got, err := source.Match(c.pattern, c.name, true)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%s %s", c.pattern, c.name)
	}
	got, err := source.Match("a?*.csv", "ab1.csv", false)
	require.NoError(t, err)
	require.False(t, got, "a question mark in a URI stands for itself")
	for pattern, want := range map[string]string{
		"a-*.csv": "a-", "*": "", "a[b]": "a", "a?c": "a", "plain": "plain", `a\*b*`: "a*b", `a\`: "a",
	} {
		require.Equal(t, want, source.Prefix(pattern, true), pattern)
	}
	for _, pattern := range []string{"[", "a[", "[]", "[a", `a\`, "[a-]", "*["} {
		_, err := source.Match(pattern, "a", true)
		require.Error(t, err, pattern)
	}
}

// FuzzParse wants no panic, errors for clients, and no secret to survive.
func FuzzParse(f *testing.F) {
	for _, uri := range []string{
		"/data/a*.csv", "s3://b/k?access-key=A&secret-access-key=B+/=", "gs://b/[a-", "azure://c/d/k%20?sas_token=%3Fsig",
		"s3://b/k?secret%5Faccess%2Dkey=x;y", "file:///x.csv", "s3://u:p@b/k#f", "ks3://b/k?endpoint=http://[::1]:9000/",
	} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if text := source.MaskText(uri); source.MaskText(text) != text {
			t.Fatalf("text masked twice: %q, then %q", text, source.MaskText(text))
		}
		l, err := source.Parse(uri)
		var e *dxf.Error
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatalf("not for clients: %v", err)
			}
			return
		}
		if l.Local() {
			return
		}
		again, err := source.Parse(l.String())
		if err != nil {
			return // a mask may contradict itself, as half a key does
		}
		for name, value := range again.Parameters() {
			switch name {
			case "access-key", "secret-access-key", "session-token", "account-key", "sas-token", "encryption-key", "sig":
				if value != "xxxxxx" {
					t.Fatalf("%s of %q shows %q", name, uri, value)
				}
			}
		}
	})
}

// FuzzGlob wants that what matches begins with the prefix that is listed.
func FuzzGlob(f *testing.F) {
	f.Add("a*.csv", "a1.csv", true)
	f.Add(`\*[a-c]?`, "*bx", true)
	f.Add("é*[^/]", "é1", false)
	f.Fuzz(func(t *testing.T, pattern, name string, questionMark bool) {
		ok, err := source.Match(pattern, name, questionMark)
		if err != nil || !ok {
			return
		}
		if !strings.HasPrefix(name, source.Prefix(pattern, questionMark)) {
			t.Fatalf("%q matches %q, but not its prefix %q", pattern, name, source.Prefix(pattern, questionMark))
		}
		if strings.Contains(name, "/") {
			t.Fatalf("%q crosses a directory in %q", pattern, name)
		}
	})
}
