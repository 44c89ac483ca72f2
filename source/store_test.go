package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/source"
	"dxfproxy/source/sourcetest"
)

// testStore is what every object store must do.
func testStore(t *testing.T, s sourcetest.Store) {
	for name, test := range map[string]func(*testing.T, sourcetest.Store){
		"List":        testStoreList,
		"Refuses":     testStoreRefuses,
		"Read":        testStoreRead,
		"Versions":    testStoreVersions,
		"BrokenWire":  testStoreBrokenWire,
		"Gone":        testStoreGone,
		"StalledWire": testStoreStalledWire,
		"SlowWire":    testStoreSlowWire,
		"NoWire":      testStoreNoWire,
		"SlowReader":  testStoreSlowReader,
		"Cancelled":   testStoreCancelled,
		"ReaderAt":    testStoreReaderAt,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

func testStoreList(t *testing.T, s sourcetest.Store) {
	for _, key := range []string{"l/b.csv", "l/a10.csv", "l/a2.csv", "l/a.csv", "l/sub/a3.csv", "l/a+ é?[1].csv", "la.csv", "l/a2.csv.gz"} {
		s.Put(t, key, []byte(key))
	}
	s.Put(t, "l/a0.csv", nil)
	s.Put(t, "l/", nil) // how consoles make a directory
	for pattern, want := range map[string][]string{
		"l/a.csv":          {"l/a.csv 7"},
		"l/a*.csv":         {"l/a+ é?[1].csv 15", "l/a.csv 7", "l/a0.csv 0", "l/a10.csv 9", "l/a2.csv 8"},
		"l/a[0-9].csv":     {"l/a0.csv 0", "l/a2.csv 8"},
		"l/*":              {"l/a+ é?[1].csv 15", "l/a.csv 7", "l/a0.csv 0", "l/a10.csv 9", "l/a2.csv 8", "l/a2.csv.gz 11", "l/b.csv 7"},
		"l/a+%20*%3F*.csv": {"l/a+ é?[1].csv 15"},
		"l/no*":            {},
		"l*.csv":           {"la.csv 6"},
	} {
		require.Equal(t, want, paths(t, open(t, s.URI(s.Endpoint(), "bucket/"+pattern))), pattern)
	}
	// What was listed can be read, whatever its name.
	odd := open(t, s.URI(s.Endpoint(), "bucket/l/a+*"))
	files, err := odd.List(t.Context())
	require.NoError(t, err)
	got, err := readAll(t, odd, files[0].Path, 0, -1)
	require.NoError(t, err)
	require.Equal(t, files[0].Path, string(got))
}

func testStoreRefuses(t *testing.T, s sourcetest.Store) {
	s.Put(t, "a.csv", []byte("0123456789"))
	// A wrong key.
	src, err := openErr(t, s.BadURI())
	if err == nil {
		_, err = src.List(t.Context())
		src.Close()
	}
	requireCode(t, err, 8159, "Access to the data source has been denied", "Please check the URI, access key and secret access key are correct")
	require.NotContains(t, err.Error(), "wrongsecret")
	require.False(t, source.Retryable(err))

	// No such bucket, for a name and for a pattern.
	for _, path := range []string{"no-such-bucket/a.csv", "no-such-bucket/a*.csv"} {
		src, err = openErr(t, s.URI(s.Endpoint(), path))
		if err == nil {
			_, err = src.List(t.Context())
			src.Close()
			requireCode(t, err, 8160)
		} else {
			requireCode(t, err, 8159, "no-such-bucket")
		}
		require.False(t, source.Retryable(err))
	}

	// No such object.
	src = open(t, s.URI(s.Endpoint(), "bucket/missing.csv"))
	_, err = src.List(t.Context())
	requireCode(t, err, 8160, "://bucket/missing.csv: ", "Please check the file location is correct")
	_, err = readAll(t, src, "missing.csv", 0, -1)
	requireCode(t, err, 8160, "://bucket/missing.csv: ")
	_, err = src.ReaderAt(t.Context(), "missing.csv", -1)
	requireCode(t, err, 8160, "://bucket/missing.csv: ")
	_, err = readAll(t, src, "a.csv", 0, -1)
	requireCode(t, err, 8160, "is no file of")
}

func testStoreRead(t *testing.T, s sourcetest.Store) {
	s.Put(t, "a.csv", []byte("0123456789"))
	s.Put(t, "empty.csv", nil)
	src := open(t, s.URI(s.Endpoint(), "bucket/a.csv"))
	for _, c := range ranges {
		got, err := readAll(t, src, "a.csv", c.offset, c.length)
		require.NoError(t, err, "%+v", c)
		require.Equal(t, c.want, string(got), "%+v", c)
	}
	_, err := readAll(t, src, "a.csv", 11, -1)
	requireCode(t, err, 8160, " has 10 bytes, offset 11 is behind them")

	empty := open(t, s.URI(s.Endpoint(), "bucket/empty.csv"))
	for _, length := range []int64{-1, 0, 10} {
		got, err := readAll(t, empty, "empty.csv", 0, length)
		require.NoError(t, err, length)
		require.Empty(t, got)
	}
	// Stored bytes are given as they are, compressed or not.
	packed := pack(t, "gz", []byte("1,a\n"))
	s.Put(t, "a.csv.gz", packed)
	got, err := readAll(t, open(t, s.URI(s.Endpoint(), "bucket/a.csv.gz")), "a.csv.gz", 0, -1)
	require.NoError(t, err)
	require.Equal(t, packed, got)
}

func testStoreVersions(t *testing.T, s sourcetest.Store) {
	s.Put(t, "v.csv", []byte("0123456789"))
	src := open(t, s.URI(s.Endpoint(), "bucket/v*.csv"))
	files, err := src.List(t.Context())
	require.NoError(t, err)
	r, err := src.OpenFile(t.Context(), files[0], 2, -1)
	require.NoError(t, err)
	require.NoError(t, iotest.TestReader(r, []byte("23456789")))
	require.NoError(t, r.Close())

	s.Put(t, "v.csv", []byte("abcdefghij"))
	_, err = src.OpenFile(t.Context(), files[0], 0, -1)
	requireCode(t, err, 8160, "v.csv changed while it was imported")
	_, err = src.OpenFile(t.Context(), files[0], 10, -1)
	requireCode(t, err, 8160, "v.csv changed while it was imported")
	_, err = src.FileAt(t.Context(), files[0])
	requireCode(t, err, 8160, "v.csv changed while it was imported")
	_, err = src.OpenFile(t.Context(), source.File{Path: "v.csv", Size: 9}, 0, -1)
	requireCode(t, err, 8160, "v.csv changed while it was imported")
	require.False(t, source.Retryable(err))

	s.Remove(t, "v.csv")
	_, err = src.OpenFile(t.Context(), files[0], 0, -1)
	requireCode(t, err, 8160, "v.csv")
	require.False(t, source.Retryable(err))
}

// big is larger than the buffers of the system, so that a reader that stands
// still holds its connection up.
var big = sync.OnceValue(func() []byte { return someBytes(24 << 20) })

func testStoreBrokenWire(t *testing.T, s sourcetest.Store) {
	content := big()[:3<<20]
	s.Put(t, "big.csv", content)
	w := sourcetest.NewWire(t, s.Endpoint())
	src := open(t, s.URI(w.Endpoint(), "bucket/big.csv"))
	src.SetPatience(time.Minute, time.Millisecond)
	for _, cut := range []int64{100_000, 1_000_003} {
		w.CutAfter.Store(cut)
		before := w.Taken.Load()
		got, err := readAll(t, src, "big.csv", 17, -1)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content[17:], got))
		require.GreaterOrEqual(t, w.Taken.Load()-before, int64(len(content))/cut)
	}
}

// begin reads the first bytes of big.csv over a wire that then breaks at the
// latest where the caller's next read needs it.
func begin(t *testing.T, s sourcetest.Store) (*sourcetest.Wire, io.ReadCloser) {
	t.Helper()
	s.Put(t, "big.csv", big())
	w := sourcetest.NewWire(t, s.Endpoint())
	src := open(t, s.URI(w.Endpoint(), "bucket/big.csv"))
	src.SetPatience(time.Minute, time.Millisecond)
	w.CutAfter.Store(1 << 20)
	r, err := src.Open(t.Context(), "big.csv", 0, -1)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	first := make([]byte, 100_000)
	_, err = io.ReadFull(r, first)
	require.NoError(t, err)
	require.True(t, bytes.Equal(big()[:len(first)], first))
	return w, r
}

func testStoreGone(t *testing.T, s sourcetest.Store) {
	_, r := begin(t, s)
	s.Put(t, "big.csv", bytes.ToUpper(big())) // the same size, other bytes
	rest, err := io.ReadAll(r)
	requireCode(t, err, 8160, "big.csv changed while it was imported")
	require.False(t, bytes.ContainsAny(rest, "ABCDEFGHIJKLMNOP"), "bytes of another version")
	_, again := r.Read(make([]byte, 1))
	require.Equal(t, err, again)

	_, r = begin(t, s)
	s.Remove(t, "big.csv")
	_, err = io.ReadAll(r)
	requireCode(t, err, 8160, "big.csv")
	require.False(t, source.Retryable(err))
}

func testStoreStalledWire(t *testing.T, s sourcetest.Store) {
	content := big()[:1<<20]
	s.Put(t, "big.csv", content)
	w := sourcetest.NewWire(t, s.Endpoint())
	src := open(t, s.URI(w.Endpoint(), "bucket/big.csv"))
	src.SetPatience(50*time.Millisecond, time.Millisecond)
	w.StallAfter.Store(300_000)
	got, err := readAll(t, src, "big.csv", 0, -1)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, got))
	require.GreaterOrEqual(t, w.Taken.Load(), int64(4))
}

func testStoreSlowWire(t *testing.T, s sourcetest.Store) {
	content := big()[:128<<10]
	s.Put(t, "slow.csv", content)
	w := sourcetest.NewWire(t, s.Endpoint())
	src := open(t, s.URI(w.Endpoint(), "bucket/slow.csv"))
	// In all it takes much longer than nothing may come.
	src.SetPatience(300*time.Millisecond, time.Millisecond)
	w.Trickle.Store(int64(20 * time.Millisecond))
	before := w.Taken.Load()
	from := time.Now()
	got, err := readAll(t, src, "slow.csv", 0, -1)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, got))
	require.Greater(t, time.Since(from), 300*time.Millisecond)
	require.LessOrEqual(t, w.Taken.Load()-before, int64(1), "connections")
}

func testStoreNoWire(t *testing.T, s sourcetest.Store) {
	w, r := begin(t, s)
	w.Refuse.Store(true)
	before := w.Taken.Load()
	_, err := io.ReadAll(r)
	requireCode(t, err, 8160, "big.csv: ")
	require.True(t, source.Retryable(err))
	require.NotContains(t, err.Error(), "secret")
	require.EqualValues(t, source.Resumes, w.Taken.Load()-before)
}

func testStoreSlowReader(t *testing.T, s sourcetest.Store) {
	s.Put(t, "big.csv", big())
	src := open(t, s.URI(s.Endpoint(), "bucket/big.csv"))
	src.SetPatience(100*time.Millisecond, time.Millisecond)
	r, err := src.Open(t.Context(), "big.csv", 0, -1)
	require.NoError(t, err)
	defer r.Close()
	first := make([]byte, 1)
	_, err = io.ReadFull(r, first)
	require.NoError(t, err)
	<-time.After(300 * time.Millisecond) // what a slow table does to its source
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.True(t, bytes.Equal(big(), append(first, rest...)))
}

func testStoreCancelled(t *testing.T, s sourcetest.Store) {
	content := big()[:1<<20]
	s.Put(t, "big.csv", content)
	w := sourcetest.NewWire(t, s.Endpoint())
	src := open(t, s.URI(w.Endpoint(), "bucket/big.csv"))
	w.StallAfter.Store(100_000)
	ctx, cancel := context.WithCancelCause(t.Context())
	r, err := src.Open(ctx, "big.csv", 0, -1)
	require.NoError(t, err)
	defer r.Close()
	why := errors.New("why")
	stop := time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	defer stop.Stop()
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, why)
	_, err = src.Open(ctx, "big.csv", 0, -1)
	require.ErrorIs(t, err, why)
	_, err = src.List(ctx)
	require.ErrorIs(t, err, why)
}

func testStoreReaderAt(t *testing.T, s sourcetest.Store) {
	content := big()[:5<<20+123]
	s.Put(t, "at.parquet", content)
	src := open(t, s.URI(s.Endpoint(), "bucket/at.parquet"))
	_, err := src.ReaderAt(t.Context(), "at.parquet", int64(len(content))+1)
	requireCode(t, err, 8160, "changed while it was imported")
	at, err := src.ReaderAt(t.Context(), "at.parquet", int64(len(content)))
	require.NoError(t, err)
	defer at.Close()
	var work sync.WaitGroup
	failed := make(chan string, 4)
	for seed := range uint64(4) {
		work.Go(func() {
			random := rand.New(rand.NewPCG(seed, 7))
			for range 60 {
				offset := random.IntN(len(content) + 10)
				part := make([]byte, random.IntN(3*source.BlockSize>>random.IntN(10)))
				n, err := at.ReadAt(part, int64(offset))
				want := content[min(offset, len(content)):min(offset+len(part), len(content))]
				if !bytes.Equal(want, part[:n]) || (n < len(part)) != errors.Is(err, io.EOF) || err != nil && !errors.Is(err, io.EOF) {
					failed <- fmt.Sprintf("%d bytes at %d: %v", n, offset, err)
					return
				}
			}
		})
	}
	work.Wait()
	close(failed)
	for what := range failed {
		t.Error(what)
	}
	require.LessOrEqual(t, source.Held(at), source.Blocks)

	s.Put(t, "at.parquet", bytes.ToUpper(content))
	fresh, err := src.ReaderAt(t.Context(), "at.parquet", int64(len(content)))
	require.NoError(t, err)
	defer fresh.Close()
	s.Put(t, "at.parquet", content)
	_, err = fresh.ReadAt(make([]byte, 10), 0)
	requireCode(t, err, 8160, "changed while it was imported")
}
