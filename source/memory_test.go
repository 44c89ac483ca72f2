//go:build !race

// Tens of megabytes of XML are read here, ten times slower under the race detector:
// make test runs these tests once more, without it.

package source_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/source"
)

// TestS4PagesOfManyObjects: a page of a list that has next to nothing in each of a
// great many objects took forty times the memory of its text.
func TestS4PagesOfManyObjects(t *testing.T) {
	const objects, most = 1_300_000, 100 << 20
	pages := map[string][3]string{
		"s3":    {"<ListBucketResult>", "<Contents/>", "</ListBucketResult>"},
		"azure": {"<EnumerationResults><Blobs>", "<Blob/>", "</Blobs></EnumerationResults>"},
		"gs":    {`{"items":[{}`, ",{}", "]}"},
	}
	for scheme, with := range keys {
		page := pages[scheme]
		text := page[0] + strings.Repeat(page[1], objects) + page[2]
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !opening(r) {
				_, _ = io.WriteString(w, text)
			}
		}))
		uri := scheme + "://bucket/o-*.csv?endpoint=" + url.QueryEscape(s.URL) + with
		var err error
		taken := takenBy(func() { _, err = list(t.Context(), allowing(t, uri), uri) })
		s.Close()
		requireCode(t, err, 8159, source.NotThere)
		t.Logf("%s took %d MiB", scheme, taken>>20)
		require.Less(t, taken, int64(most), scheme)
	}
}

// opening says whether a request is one of those before a list.
func opening(r *http.Request) bool {
	return r.Method == http.MethodHead || r.URL.Query().Get("restype") == "container" && r.URL.Query().Get("comp") == ""
}

// takenBy is how many bytes the heap has grown by, at most, meanwhile.
func takenBy(f func()) (most int64) {
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	done, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			runtime.ReadMemStats(&now)
			most = max(most, int64(now.HeapAlloc)-int64(before.HeapAlloc))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	f()
	close(done)
	<-looked
	return most
}

// TestS4ListsShareMemory: what one list may take, fifty at once may not take each.
func TestS4ListsShareMemory(t *testing.T) {
	const pages = 20
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if opening(r) {
			return
		}
		n := 0
		_, _ = fmt.Sscan(r.URL.Query().Get("continuation-token"), &n)
		fmt.Fprintf(w, "<ListBucketResult><IsTruncated>%v</IsTruncated><NextContinuationToken>%d</NextContinuationToken>", n < pages-1, n+1)
		for i := range 1000 {
			fmt.Fprintf(w, "<Contents><Key>o-%s-%d-%d.csv</Key><Size>1</Size></Contents>", strings.Repeat("x", 900), n, i)
		}
		_, _ = io.WriteString(w, "</ListBucketResult>")
	}))
	defer s.Close()
	uri := "s3://bucket/o-*.csv?provider=minio&access-key=a&secret-access-key=b&endpoint=" + url.QueryEscape(s.URL)
	policy := allowing(t, uri)
	var open []*source.Source
	for {
		src, err := source.Open(t.Context(), policy, uri)
		require.NoError(t, err)
		files, err := src.List(t.Context())
		open = append(open, src)
		if err != nil {
			require.ErrorContains(t, err, "too much is being listed at once on this node")
			require.True(t, source.Retryable(err))
			break
		}
		require.Len(t, files, pages*1000)
		require.Less(t, len(open), 5, "there is a bound")
	}
	require.Greater(t, len(open), 2, "several fit beside each other")
	for _, src := range open {
		src.Close()
	}
	require.Zero(t, policy.ListMemory(), "all is given back")
	files, err := list(context.Background(), policy, uri)
	require.NoError(t, err)
	require.Len(t, files, pages*1000)
}
