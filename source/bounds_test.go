package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
)

// endless answers with pages of objects for ever.
func endless(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodHead:
		w.WriteHeader(http.StatusOK)
	case r.URL.Query().Has("list-type"):
		var page strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&page, "<Contents><Key>o-%s-%d.csv</Key><Size>1</Size><ETag>x</ETag></Contents>", r.URL.Query().Get("continuation-token"), i)
		}
		fmt.Fprintf(w, "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>%s</ListBucketResult>",
			time.Now().UnixNano(), page.String())
	}
}

// TestListsAreBounded: a bucket of any size, and a store that lies, is an error
// and no end of a node.
func TestListsAreBounded(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(endless))
	defer s.Close()
	uri := "s3://bucket/o-*.csv?access-key=a&secret-access-key=b&endpoint=" + url.QueryEscape(s.URL)
	_, err := list(t.Context(), allowing(t, uri), uri)
	requireCode(t, err, 8160, fmt.Sprintf("has more than %d files. Please import them in several statements", source.MostFiles))
	require.False(t, source.Retryable(err))
	for name, size := range map[string]string{"negative": "-1", "huge": "9223372036854775807"} {
		lie := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				fmt.Fprintf(w, "<ListBucketResult><Contents><Key>o-1.csv</Key><Size>%s</Size></Contents></ListBucketResult>", size)
			}
		}))
		defer lie.Close()
		uri := "s3://bucket/o-*.csv?access-key=a&secret-access-key=b&endpoint=" + url.QueryEscape(lie.URL)
		_, err = list(t.Context(), allowing(t, uri), uri)
		requireCode(t, err, 8160, "o-1.csv has "+size+" bytes")
		t.Log(name)
	}
}

// TestAnswersAreBounded: an answer without an end costs no memory, and a text of
// somebody else's is cut.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	for scheme, with := range keys {
		var sent atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead || r.URL.Query().Get("restype") == "container" && r.URL.Query().Get("comp") == "" {
				return
			}
			part := []byte(`{"items":[{"name":"` + strings.Repeat("x", 1<<20))
			if scheme != "gs" {
				part = []byte("<ListBucketResult><Contents><Key>" + strings.Repeat("x", 1<<20))
			}
			for r.Context().Err() == nil {
				n, err := w.Write(part)
				sent.Add(int64(n))
				if err != nil {
					return
				}
				part = bytes.Repeat([]byte("x"), 1<<20)
			}
		}))
		uri := scheme + "://bucket/o-*.csv?endpoint=" + url.QueryEscape(s.URL) + with
		_, err := list(t.Context(), allowing(t, uri), uri)
		requireCode(t, err, 8159, source.NotThere)
		s.CloseClientConnections()
		s.Close()
		require.Less(t, sent.Load(), int64(200<<20), scheme)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"message":"`+strings.Repeat("long ", 5000)+`"}}`)
	}))
	defer s.Close()
	uri := "gs://bucket/a.csv?endpoint=" + url.QueryEscape(s.URL)
	_, err := list(t.Context(), allowing(t, uri), uri)
	requireCode(t, err, 8160, "400 Bad Request: long long")
	require.Less(t, len(err.Error()), 1000)
}

// TestHangingServerIsLeft: who is waiting for a server that says nothing can go.
func TestHangingServerIsLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() // it accepts, and nobody reads
	for scheme, with := range keys {
		uri := scheme + "://bucket/a*.csv?endpoint=http://" + l.Addr().String() + with
		why := errors.New("killed")
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := time.AfterFunc(100*time.Millisecond, func() { cancel(why) })
		began := time.Now()
		_, err := list(ctx, allowing(t, uri), uri)
		require.ErrorIs(t, err, why)
		require.Less(t, time.Since(began), 3*time.Second, scheme)
		stop.Stop()
	}
}
