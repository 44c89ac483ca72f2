package sourcetest

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"
)

// Secret is the key of the S3 server's account; it has what URIs escape.
const Secret = "secret/of+test="

// S3 is an S3 server that checks signatures.
type S3 struct {
	Front *httptest.Server
	Lists atomic.Int64 // pages given out
	Hosts atomic.Value // of the last request

	memory *s3mem.Backend
}

// NewS3 starts one.
func NewS3(t testing.TB) *S3 {
	t.Helper()
	s := &S3{memory: s3mem.New()}
	server := gofakes3.New(s.memory, gofakes3.WithHostBucket(false),
		gofakes3.WithV4Auth(map[string]string{"AKIATEST": Secret, "AKIAROLE": "secret-of-role"})).Server()
	s.Front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Hosts.Store(r.Host)
		if r.URL.Query().Has("list-type") {
			s.Lists.Add(1)
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Front.Close)
	if err := s.memory.CreateBucket(context.Background(), "bucket"); err != nil {
		t.Fatal(err)
	}
	return s
}

// Endpoint is where it listens.
func (s *S3) Endpoint() string { return s.Front.URL }

// URI is of objects, by way of an endpoint.
func (s *S3) URI(endpoint, path string) string {
	return "s3://" + path + "?access-key=AKIATEST&secret-access-key=" + Secret + "&endpoint=" + url.QueryEscape(endpoint)
}

// BadURI is of a.csv, with a wrong secret.
func (s *S3) BadURI() string {
	return "s3://bucket/a.csv?access-key=AKIATEST&secret-access-key=wrongsecret=&endpoint=" + url.QueryEscape(s.Endpoint())
}

// Put writes an object.
func (s *S3) Put(t testing.TB, key string, content []byte) {
	t.Helper()
	_, err := s.memory.PutObject(context.Background(), "bucket", key, map[string]string{}, bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
}

// Remove removes an object.
func (s *S3) Remove(t testing.TB, key string) {
	t.Helper()
	if _, err := s.memory.DeleteObject(context.Background(), "bucket", key); err != nil {
		t.Fatal(err)
	}
}
