package source_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/source"
	"dxfproxy/source/sourcetest"
)

func TestS3(t *testing.T) { testStore(t, sourcetest.NewS3(t)) }

func TestS3ListsManyObjects(t *testing.T) {
	objects := 100_000
	if testing.Short() || raced {
		objects = 5_000
	}
	s := sourcetest.NewS3(t)
	for i := range objects {
		s.Put(t, fmt.Sprintf("many/o-%06d.csv", i), []byte("x"))
	}
	for i := range 2000 { // listed neither by prefix nor by directory
		s.Put(t, fmt.Sprintf("many/o-/%06d.csv", i), nil)
		s.Put(t, fmt.Sprintf("many/other-%06d.csv", i), nil)
	}
	from := time.Now()
	files, err := open(t, s.URI(s.Endpoint(), "bucket/many/o-*.csv")).List(t.Context())
	require.NoError(t, err)
	require.Len(t, files, objects)
	require.Equal(t, source.File{Path: "many/o-000000.csv", Size: 1, Tag: files[0].Tag}, files[0])
	require.Equal(t, fmt.Sprintf("many/o-%06d.csv", objects-1), files[objects-1].Path)
	require.EqualValues(t, objects/1000+1, s.Lists.Load(), "pages: the directory counts as one object")
	t.Logf("listed %d objects in %v", objects, time.Since(from))
}

func TestS3SaysWhatIsWrong(t *testing.T) {
	s := sourcetest.NewS3(t)
	_, err := openErr(t, s.BadURI())
	requireCode(t, err, 8159, "Reason: failed to get region of bucket bucket: Forbidden. Please")
	_, err = openErr(t, s.URI("http://127.0.0.1:1", "bucket/a.csv"))
	requireCode(t, err, 8159, "Reason: "+source.NotThere+". Please")
	require.True(t, source.Retryable(err))
	_, err = open(t, s.URI(s.Endpoint(), "bucket")).List(t.Context())
	requireCode(t, err, 8160, "no file is named in s3://bucket?access-key=xxxxxx")
}

func TestS3AssumesRole(t *testing.T) {
	s := sourcetest.NewS3(t)
	s.Put(t, "a.csv", []byte("1,a\n"))
	var asked url.Values
	// STS is where the endpoint is, as with MinIO: it gets what has no path.
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			if !strings.Contains(r.Header.Get("Authorization"), "AKIAROLE") {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			s.Front.Config.Handler.ServeHTTP(w, r)
			return
		}
		_ = r.ParseForm()
		asked = r.Form
		type creds struct {
			AccessKeyID                               string `xml:"AccessKeyId"`
			SecretAccessKey, SessionToken, Expiration string
		}
		_ = xml.NewEncoder(w).Encode(struct {
			XMLName xml.Name `xml:"AssumeRoleResponse"`
			Creds   creds    `xml:"AssumeRoleResult>Credentials"`
		}{Creds: creds{"AKIAROLE", "secret-of-role", "", time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}})
	}))
	defer front.Close()
	uri := s.URI(front.URL, "bucket/a.csv") + "&role-arn=arn:aws:iam::1:role/reader&external_id=ours"
	got, err := readAll(t, open(t, uri), "a.csv", 0, -1)
	require.NoError(t, err)
	require.Equal(t, "1,a\n", string(got))
	require.Equal(t, "arn:aws:iam::1:role/reader", asked.Get("RoleArn"))
	require.Equal(t, "ours", asked.Get("ExternalId"))
}

func TestS3Regions(t *testing.T) {
	s := sourcetest.NewS3(t)
	s.Put(t, "a.csv", []byte("1,a\n"))
	var signed atomic.Value
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed.Store(r.Header.Get("Authorization"))
		w.Header().Set("X-Amz-Bucket-Region", "eu-west-3")
		if r.Method == http.MethodHead && r.URL.Path == "/bucket" {
			w.WriteHeader(http.StatusForbidden) // who may not list is told all the same
			return
		}
		s.Front.Config.Handler.ServeHTTP(w, r)
	}))
	defer front.Close()
	got, err := readAll(t, open(t, s.URI(front.URL, "bucket/a.csv")), "a.csv", 0, -1)
	require.NoError(t, err)
	require.Equal(t, "1,a\n", string(got))
	require.Contains(t, signed.Load(), "/eu-west-3/s3/")

	_, err = openErr(t, s.URI(front.URL, "bucket/a.csv")+"&region=us-west-2")
	requireCode(t, err, 8159, "s3 bucket and region are not matched, bucket=bucket, input region=us-west-2, real region=eu-west-3")
	_ = open(t, s.URI(front.URL, "bucket/a.csv")+"&region=us-west-2&provider=ceph")
}

func TestS3WithoutCredentials(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	s := sourcetest.NewS3(t)
	s.Put(t, "a.csv", []byte("1,a\n"))
	uri := "s3://bucket/a.csv?endpoint=" + url.QueryEscape(s.Endpoint())
	policy := own(t, s.Endpoint(), "s3://bucket")
	_, err := source.Open(t.Context(), policy, uri)
	requireCode(t, err, 8159, "the node has no credentials of its own that can be used here")

	t.Setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret/of+test=")
	src, err := source.Open(t.Context(), policy, uri)
	require.NoError(t, err)
	defer src.Close()
	require.Equal(t, []string{"a.csv 4"}, paths(t, src))
	_, err = openErr(t, uri)
	requireCode(t, err, 8159, "failed to get region of bucket bucket: Forbidden; the location has no credentials, and those of the node "+
		"are for locations in --import-ambient-credentials only. Please")
}

// Some stores of others' making know no conditions.
func TestS3StoreThatIgnoresConditions(t *testing.T) {
	s := sourcetest.NewS3(t)
	s.Put(t, "a.csv", []byte("0123456789"))
	noTag := false
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			return
		}
		w.Header().Set("Content-Range", "bytes 5-9/10")
		if !noTag {
			w.Header().Set("ETag", `"other"`)
		}
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write([]byte("56789"))
	}))
	defer front.Close()
	src := open(t, s.URI(front.URL, "bucket/a.csv"))
	f := source.File{Path: "a.csv", Size: 10, Tag: `"first"`}
	_, err := src.OpenFile(t.Context(), f, 5, -1)
	requireCode(t, err, 8160, "changed while it was imported")
	_, err = src.OpenFile(t.Context(), source.File{Path: "a.csv", Size: 10}, 4, -1)
	requireCode(t, err, 8160, `asked for bytes from 4 on, got the range "bytes 5-9/10"`)
	noTag = true
	_, err = src.OpenFile(t.Context(), source.File{Path: "a.csv", Size: 10}, 5, -1)
	requireCode(t, err, 8160, "does not say which version")
}

func TestS3HostStyle(t *testing.T) {
	s := sourcetest.NewS3(t)
	server, err := url.Parse(s.Endpoint())
	require.NoError(t, err)
	for parameters, host := range map[string]string{
		"&force-path-style=false": "bucket.localhost", "&provider=alibaba": "bucket.localhost", "": "localhost",
	} {
		uri := s.URI("http://localhost:"+server.Port(), "bucket/a.csv") + parameters
		policy := allowing(t, uri)
		var dialled atomic.Value
		policy.SetConnect(func(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
			if d.Control == nil { // as it is listed
				dialled.Store(address)
			}
			return (&net.Dialer{}).DialContext(ctx, network, server.Host)
		})
		src, err := source.Open(t.Context(), policy, uri)
		if err == nil {
			_, _ = src.List(t.Context())
			src.Close()
		}
		require.Equal(t, host+":"+server.Port(), dialled.Load(), parameters)
		require.Equal(t, dialled.Load(), s.Hosts.Load())
	}
}
