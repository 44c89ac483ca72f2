package source_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"dxfproxy/source"
)

// packers make what Unpack undoes.
var packers = map[string]func(io.Writer) io.WriteCloser{
	"gz": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"zst": func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w, zstd.WithEncoderCRC(true))
		if err != nil {
			panic(err)
		}
		return z
	},
	"snappy": func(w io.Writer) io.WriteCloser { return s2.NewWriter(w, s2.WriterSnappyCompat()) },
}

func pack(t *testing.T, kind string, content []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := packers[kind](&packed)
	_, err := w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.Bytes()
}

// someBytes are bytes that compress a little.
func someBytes(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, n)
	for i := range content {
		content[i] = 'a' + byte(random.IntN(16))
	}
	return content
}

func unpackAll(name string, r io.Reader) ([]byte, error) {
	u, err := source.Unpack(name, r, nil)
	if err != nil {
		return nil, err
	}
	defer u.Close()
	return io.ReadAll(u)
}

func TestPacked(t *testing.T) {
	for name, want := range map[string]bool{
		"a.csv": false, "a.csv.gz": true, "a.GZIP": true, "a.zst": true, "a.sql.ZSTD": true, "d.gz/a.csv": false,
		"a.snappy": true, "a.snappy.parquet": false, "gz": false, "a.bz2": false,
	} {
		require.Equal(t, want, source.Packed(name), name)
	}
}

func TestUnpack(t *testing.T) {
	content := someBytes(300_000)
	got, err := unpackAll("a.csv", bytes.NewReader(content))
	require.NoError(t, err)
	require.Equal(t, content, got)
	for _, names := range [][2]string{{"a.gz", "gz"}, {"a.gzip", "gz"}, {"a.zst", "zst"}, {"a.ZSTD", "zst"}, {"a.snappy", "snappy"}} {
		name, kind := names[0], names[1]
		t.Run(name, func(t *testing.T) {
			packed := pack(t, kind, content)
			got, err := unpackAll(name, iotest.HalfReader(bytes.NewReader(packed)))
			require.NoError(t, err)
			require.True(t, bytes.Equal(content, got))

			// Members that follow each other are one file, also empty ones.
			members := append(append(append([]byte{}, packed...), pack(t, kind, nil)...), pack(t, kind, []byte("end"))...)
			got, err = unpackAll(name, bytes.NewReader(members))
			require.NoError(t, err)
			require.Len(t, got, len(content)+3)
			require.True(t, strings.HasSuffix(string(got), "end"))

			got, err = unpackAll(name, bytes.NewReader(pack(t, kind, nil)))
			require.NoError(t, err)
			require.Empty(t, got)

			if kind != "snappy" { // which packs nothing into nothing
				_, err = unpackAll(name, strings.NewReader(""))
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			}
			for _, cut := range []int{1, 5, 20, len(packed) / 2, len(packed) - 1} {
				_, err = unpackAll(name, bytes.NewReader(packed[:cut]))
				requireCode(t, err, 8160, "unpack "+name)
				if kind != "snappy" { // which calls half a head corrupt
					require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d: %v", cut, err)
				}
			}

			damaged := append([]byte{}, packed...)
			damaged[len(damaged)/2] ^= 0x55
			_, err = unpackAll(name, bytes.NewReader(damaged))
			requireCode(t, err, 8160, "unpack "+name)

			broken := errors.New("the wire broke")
			_, err = unpackAll(name, io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(broken)))
			require.Equal(t, broken, err)
			_, err = unpackAll(name, iotest.ErrReader(broken))
			require.Equal(t, broken, err)
		})
	}
}

// zeros are many bytes that nobody holds.
type zeros struct{ left int }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	return n, nil
}

func TestUnpackMemoryIsBounded(t *testing.T) {
	const size = 64 << 20
	for kind := range packers {
		var packed bytes.Buffer
		w := packers[kind](&packed)
		_, err := io.Copy(w, &zeros{size})
		require.NoError(t, err)
		require.NoError(t, w.Close())
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		u, err := source.Unpack("a."+kind, bytes.NewReader(packed.Bytes()), nil)
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, u)
		require.NoError(t, err)
		require.EqualValues(t, size, n)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(24<<20), kind)
		require.NoError(t, u.Close())
	}

	// A stream that wants more memory than we give is refused.
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed, zstd.WithWindowSize(512<<20), zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	_, err = io.Copy(w, &zeros{1 << 20})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	_, err = unpackAll("a.zst", bytes.NewReader(packed.Bytes()))
	requireCode(t, err, 8160, "window of ")
	require.ErrorContains(t, err, "zstd --long=27") // I17
	require.NotContains(t, err.Error(), "complete")
}
