package source_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"dxfproxy/source"
	"dxfproxy/source/sourcetest"
)

// credentialsFile is the location of an object with a file of credentials.
func credentialsFile(file string) string {
	return "gs://bucket/a.csv?credentials-file=" + url.QueryEscape(file)
}

// TestS5CredentialsFileIsBounded: nobody makes a node read a file without an end,
// or one that is not for imports; and (S30) nobody learns which files there are.
func TestS5S30CredentialsFile(t *testing.T) {
	s := sourcetest.NewS3(t) // it is never asked
	dir, outside := t.TempDir(), t.TempDir()
	key := func(kind string) string {
		text, err := json.Marshal(map[string]string{"type": kind, "client_email": "x", "private_key": "top-secret", "token_uri": s.Endpoint()})
		require.NoError(t, err)
		return string(text)
	}
	put := func(dir, name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	put(outside, "key.json", key("service_account"))
	put(dir, "no.json", "top-secret")
	put(dir, "other.json", key("external_account"))
	put(dir, "large.json", strings.Repeat(" ", 64<<10)+key("service_account"))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "d.json"), 0o700))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe.json"), 0o600))
	require.NoError(t, os.Symlink("/dev/zero", filepath.Join(dir, "zero.json")))
	require.NoError(t, os.Symlink(outside+"/key.json", filepath.Join(dir, "link.json")))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "links")))

	core, logs := observer.New(zap.WarnLevel)
	policy, err := source.NewPolicy(source.Rules{Dirs: []string{dir}, Endpoints: []string{s.Endpoint()}, Log: zap.New(core)})
	require.NoError(t, err)
	texts := map[string]bool{}
	for _, file := range []string{
		"/dev/zero", "/etc/passwd", "/nonexistent/file.json", "/", "", "no.json", outside + "/key.json", dir + "/../" + filepath.Base(outside) + "/key.json",
		dir + "/no.json", dir + "/other.json", dir + "/large.json", dir + "/d.json", dir + "/pipe.json", dir + "/zero.json", dir + "/link.json",
		dir + "/links/key.json", dir + "/none.json", dir + "/none/key.json", dir,
	} {
		_, err := list(t.Context(), policy, credentialsFile(file))
		requireCode(t, err, 8159, source.BadFile)
		require.NotContains(t, err.Error(), "top-secret")
		texts[err.Error()] = true
		_, err = list(t.Context(), nil, credentialsFile(file))
		requireCode(t, err, 8159, source.BadFile)
		texts[err.Error()] = true
	}
	require.Len(t, texts, 1, "one text for whatever is wrong")
	require.GreaterOrEqual(t, logs.Len(), 19, "the log says more")
	require.Contains(t, fmt.Sprint(logs.All()), "large.json is larger than 65536 bytes")
	require.NotContains(t, fmt.Sprint(logs.All()), "top-secret")
}

// TestS11FilesStayInTheFolder: no way out of it, by a link or by "..".
func TestS11FilesStayInTheFolder(t *testing.T) {
	base := t.TempDir()
	dir, outside := filepath.Join(base, "in"), filepath.Join(base, "out")
	write(t, dir, "a.csv", "sub/b.csv")
	write(t, outside, "x.csv")
	for link, to := range map[string]string{
		"abs.csv": outside + "/x.csv", "rel.csv": "../out/x.csv", "zero.csv": "/dev/zero", "passwd.csv": "/etc/passwd", "way": outside, "up": "..", "good.csv": "sub/b.csv",
	} {
		require.NoError(t, os.Symlink(to, filepath.Join(dir, link)))
	}
	policy, err := source.NewPolicy(source.Rules{Dirs: []string{dir}})
	require.NoError(t, err)
	files, err := list(t.Context(), policy, dir+"/good.csv")
	require.NoError(t, err, "a link that stays inside")
	require.Len(t, files, 1)
	for path, code := range map[string]uint16{
		dir + "/abs.csv": 8160, dir + "/rel.csv": 8160, dir + "/zero.csv": 8160, dir + "/passwd.csv": 8160, dir + "/r*.csv": 8160,
		dir + "/way/x.csv": 8158, dir + "/way/*.csv": 8158, dir + "/up/out/x.csv": 8158, dir + "/up/in/a.csv": 8158,
		dir + "/../out/x.csv": 8158, dir + "/sub/../a.csv": 8158, dir + "/..csv/../../out/x.csv": 8158,
		outside + "/x.csv": 1290, base + "/*.csv": 1290, dir + "side/x.csv": 1290, "/etc/shadow.csv": 1290, "/proc/self/root" + dir + "/a.csv": 1290,
	} {
		_, err := list(t.Context(), policy, path)
		requireCode(t, err, code)
		require.NotContains(t, err.Error(), "root:")
	}
	_, err = list(t.Context(), nil, dir+"/a.csv")
	requireCode(t, err, 1290, "The dxfproxy node is running without the --import-dir option so it cannot execute this statement")

	// A file that is replaced by a link between the list and the reading.
	s, err := source.Open(t.Context(), policy, dir+"/a.csv")
	require.NoError(t, err)
	defer s.Close()
	files, err = s.List(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.Remove(dir+"/a.csv"))
	require.NoError(t, os.Symlink(outside+"/x.csv", dir+"/a.csv"))
	_, err = s.OpenFile(t.Context(), files[0], 0, -1)
	requireCode(t, err, 8160, "open "+dir+"/a.csv: path escapes from parent")
	_, err = s.FileAt(t.Context(), files[0])
	requireCode(t, err, 8160, "path escapes from parent")
}

// TestS13StoreDirLimits: who may not read a file through the store may not through
// a node.
func TestS13StoreDirLimits(t *testing.T) {
	base := t.TempDir()
	write(t, base, "a.csv", "sub/b.csv", "sub/deep/c.csv", "other/d.csv")
	require.NoError(t, os.Symlink("../other/d.csv", base+"/sub/d.csv"))
	require.NoError(t, os.Symlink("sub", base+"/alias"))
	limit, limited := "", false
	policy := func(dirs ...string) *source.Policy {
		p, err := source.NewPolicy(source.Rules{Dirs: dirs, StoreDir: func(context.Context) (string, bool, error) { return limit, limited, nil }})
		require.NoError(t, err)
		return p
	}
	reads := func(p *source.Policy, path string) bool {
		t.Helper()
		_, err := list(t.Context(), p, path)
		if err != nil {
			requireCode(t, err, 1290, "The store is running with the --secure-file-priv option so it cannot execute this statement")
		}
		return err == nil
	}
	require.True(t, reads(policy(base), base+"/a.csv"))
	limited = true
	require.False(t, reads(policy(base), base+"/a.csv"), "the store reads none")
	limit = base + "/sub"
	require.False(t, reads(policy(base), base+"/a.csv"))
	require.False(t, reads(policy(base), base+"/other/d.csv"))
	require.True(t, reads(policy(base), base+"/sub/b.csv"))
	require.True(t, reads(policy(base), base+"/sub/deep/c.csv"))
	require.True(t, reads(policy(base+"/sub/deep"), base+"/sub/deep/c.csv"))
	require.True(t, reads(policy(base+"/alias"), base+"/alias/b.csv"), "the operator's own link")
	require.False(t, reads(policy(base+"/other"), base+"/other/d.csv"))
	_, err := list(t.Context(), policy(base), base+"/sub/d.csv")
	requireCode(t, err, 8160, "path escapes from parent")
	limit = "/nonexistent"
	require.False(t, reads(policy(base), base+"/a.csv"))
}
