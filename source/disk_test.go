package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/source"
)

// allowing is the policy of an operator who lets a test read what it names:
// temporary folders, and the servers of its locations.
func allowing(t testing.TB, uris ...string) *source.Policy {
	t.Helper()
	rules := source.Rules{Dirs: []string{os.TempDir()}}
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err != nil {
			continue // a path
		}
		if endpoint, err := url.Parse(u.Query().Get("endpoint")); err == nil && endpoint.Host != "" {
			rules.Endpoints = append(rules.Endpoints, endpoint.Host)
		}
		for _, name := range []string{"credentials-file", "credentials_file"} {
			var key struct {
				Tokens string `json:"token_uri"`
			}
			if text, err := os.ReadFile(u.Query().Get(name)); err == nil && json.Unmarshal(text, &key) == nil && key.Tokens != "" {
				rules.Endpoints = append(rules.Endpoints, key.Tokens)
			}
		}
	}
	p, err := source.NewPolicy(rules)
	require.NoError(t, err)
	return p
}

// openErr opens a location that the operator allows.
func openErr(t *testing.T, uri string) (*source.Source, error) {
	t.Helper()
	return source.Open(t.Context(), allowing(t, uri), uri)
}

// open opens a location that must open.
func open(t *testing.T, uri string) *source.Source {
	t.Helper()
	s, err := openErr(t, uri)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// paths are the names of a list, with sizes.
func paths(t *testing.T, s *source.Source) []string {
	t.Helper()
	files, err := s.List(t.Context())
	require.NoError(t, err)
	names := []string{}
	for _, f := range files {
		names = append(names, fmt.Sprintf("%s %d", f.Path, f.Size))
	}
	return names
}

func write(t *testing.T, dir string, files ...string) {
	t.Helper()
	for _, name := range files {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(filepath.Base(name)), 0o600))
	}
}

func TestDiskList(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "b.csv", "a.csv", "a10.csv", "a2.csv", "a2.csv.gz", "sub/a3.csv", "q?.csv", "x/odd[1]/f.csv")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a0.csv"), nil, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "a-dir.csv"), 0o755))
	require.NoError(t, os.Symlink("b.csv", filepath.Join(dir, "alink.csv")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "a-lost.csv")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "a-pipe.csv"), 0o600))

	for pattern, want := range map[string][]string{
		"a.csv":           {"a.csv 5"},
		"a*.csv":          {"a.csv 5", "a0.csv 0", "a10.csv 7", "a2.csv 6", "alink.csv 5"},
		"a?.csv":          {"a0.csv 0", "a2.csv 6"},
		"[b-z].csv":       {"b.csv 5"},
		"a*.gz":           {"a2.csv.gz 9"},
		"q?.csv":          {"q?.csv 6"},
		"no*.csv":         {},
		"x/odd[1]/f*.csv": {"x/odd[1]/f.csv 5"},
	} {
		for i := range want {
			want[i] = filepath.Join(dir, want[i])
		}
		require.Equal(t, want, paths(t, open(t, filepath.Join(dir, pattern))), pattern)
	}
}

func TestDiskRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.csv")
	_, err := openErr(t, dir+"/missing/a.csv")
	requireCode(t, err, 8158, "Reason: stat "+dir+"/missing: no such file or directory. Please provide")

	_, err = open(t, dir+"/missing.csv").List(t.Context())
	requireCode(t, err, 8160)
	require.Equal(t, "ERROR 8160 (HY000): Failed to read source files. Reason: open "+dir+
		"/missing.csv: no such file or directory. Please check the file location is correct", err.Error())

	require.NoError(t, os.Mkdir(dir+"/d.csv", 0o755))
	_, err = open(t, dir+"/d.csv").List(t.Context())
	requireCode(t, err, 8160, "not a regular file")
	require.NoError(t, syscall.Mkfifo(dir+"/pipe.csv", 0o600))
	_, err = open(t, dir+"/pipe.csv").List(t.Context())
	requireCode(t, err, 8160, "not a regular file")

	_, err = open(t, dir+"/a.csv").Open(t.Context(), "/etc/passwd", 0, -1)
	requireCode(t, err, 8160, "is no file of")
	_, err = open(t, dir+"/*.csv").Open(t.Context(), dir+"/../x.csv", 0, -1)
	requireCode(t, err, 8160, "is no file of")
}

// asNobody runs a part of a test without root's right to read everything.
func asNobody(t *testing.T, run func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		run()
		return
	}
	require.NoError(t, syscall.Setresuid(-1, 65534, -1))
	defer func() { require.NoError(t, syscall.Setresuid(-1, 0, -1)) }()
	run()
}

func TestDiskPermissions(t *testing.T) {
	// Every directory above must let nobody through, which those of t.TempDir do not.
	dir, err := os.MkdirTemp("", "source")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	write(t, dir, "a.csv", "closed/a.csv", "list/a.csv")
	require.NoError(t, os.Chmod(dir+"/a.csv", 0))
	require.NoError(t, os.Chmod(dir+"/closed", 0))
	require.NoError(t, os.Chmod(dir+"/list", 0o711))
	t.Cleanup(func() {
		require.NoError(t, os.Chmod(dir+"/closed", 0o700))
	})
	asNobody(t, func() {
		_, err := open(t, dir+"/a.csv").List(t.Context())
		requireCode(t, err, 8160, "a.csv: permission denied. Please check the file location is correct")
		_, err = open(t, dir+"/*.csv").List(t.Context())
		requireCode(t, err, 8160, "permission denied")
		_, err = open(t, dir+"/closed/a.csv").List(t.Context())
		requireCode(t, err, 8160, "permission denied")
		_, err = open(t, dir+"/list/*.csv").List(t.Context())
		requireCode(t, err, 8160, "permission denied. failed to walk dir")
	})
}

// readAll reads a range through a source.
func readAll(t *testing.T, s *source.Source, path string, offset, length int64) ([]byte, error) {
	t.Helper()
	r, err := s.Open(t.Context(), path, offset, length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestDiskRead(t *testing.T) {
	dir := t.TempDir()
	name := dir + "/a.csv"
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	s := open(t, name)
	for _, c := range ranges {
		got, err := readAll(t, s, name, c.offset, c.length)
		require.NoError(t, err)
		require.Equal(t, c.want, string(got), "%+v", c)
	}
	_, err := readAll(t, s, name, 11, -1)
	requireCode(t, err, 8160, " has 10 bytes, offset 11 is behind them")

	at, err := s.ReaderAt(t.Context(), name, 10)
	require.NoError(t, err)
	defer at.Close()
	part := make([]byte, 4)
	n, err := at.ReadAt(part, 8)
	require.Equal(t, io.EOF, err)
	require.Equal(t, "89", string(part[:n]))
	_, err = s.ReaderAt(t.Context(), name, 9)
	requireCode(t, err, 8160, "changed while it was imported")
}

// ranges are parts of 0123456789.
var ranges = []struct {
	offset, length int64
	want           string
}{
	{0, -1, "0123456789"},
	{0, 10, "0123456789"},
	{0, 3, "012"},
	{3, -1, "3456789"},
	{3, 4, "3456"},
	{9, 1, "9"},
	{7, 100, "789"},
	{3, 0, ""},
	{10, -1, ""},
	{10, 5, ""},
}

func TestDiskFileChanges(t *testing.T) {
	name := t.TempDir() + "/a.csv"
	require.NoError(t, os.WriteFile(name, []byte("0123456789"), 0o600))
	s := open(t, name)
	_, err := s.OpenFile(t.Context(), source.File{Path: name, Size: 9}, 0, -1)
	requireCode(t, err, 8160, "changed while it was imported")

	r, err := s.Open(t.Context(), name, 0, -1)
	require.NoError(t, err)
	defer r.Close()
	first := make([]byte, 5)
	_, err = io.ReadFull(r, first)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, []byte("abcdefghij"), 0o600))
	require.NoError(t, os.Chtimes(name, time.Time{}, time.Now().Add(time.Hour)))
	_, err = io.ReadAll(r)
	requireCode(t, err, 8160, "changed while it was imported")

	cut, err := s.Open(t.Context(), name, 0, -1)
	require.NoError(t, err)
	defer cut.Close()
	require.NoError(t, os.Truncate(name, 5))
	_, err = io.ReadAll(cut)
	requireCode(t, err, 8160, "changed while it was imported")
}

func TestDiskReadIsCancelled(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.csv")
	ctx, cancel := context.WithCancelCause(t.Context())
	r, err := open(t, dir+"/a.csv").Open(ctx, dir+"/a.csv", 0, -1)
	require.NoError(t, err)
	defer r.Close()
	why := errors.New("why")
	cancel(why)
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, why)
	_, err = open(t, dir+"/*.csv").List(ctx)
	require.ErrorIs(t, err, why)
}
