package source_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/source/sourcetest"
)

func TestGCS(t *testing.T) {
	s := sourcetest.NewGCS(t)
	testStore(t, s)

	t.Run("Pages", func(t *testing.T) {
		for i := range 1100 {
			s.Put(t, fmt.Sprintf("many/o-%06d.csv", i), []byte("x"))
		}
		files, err := open(t, s.URI(s.Endpoint(), "bucket/many/o-*.csv")).List(t.Context())
		require.NoError(t, err)
		require.Len(t, files, 1100)
		require.Equal(t, "many/o-001099.csv", files[1099].Path)
	})
	t.Run("RetriesAList", func(t *testing.T) {
		s.Put(t, "retry.csv", []byte("x"))
		var asked atomic.Int64
		shaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) <= 2 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			s.Front.Config.Handler.ServeHTTP(w, r)
		}))
		defer shaky.Close()
		require.Equal(t, []string{"retry.csv 1"}, paths(t, open(t, s.URI(shaky.URL, "bucket/retry*.csv"))))
		require.EqualValues(t, 3, asked.Load())
	})
}
