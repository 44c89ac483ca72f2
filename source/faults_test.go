package source_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"dxfproxy/source"
	"dxfproxy/source/sourcetest"
)

// recorder dials nothing, and says what would have been. Every name is the
// address 10.0.0.1 to it.
type recorder struct {
	mu      sync.Mutex
	dialled []string
	stop    context.CancelFunc // is called when it is asked, if there is one
}

func newRecorder(p *source.Policy) *recorder {
	r := &recorder{}
	p.SetConnect(r.connect)
	return r
}

func (r *recorder) connect(_ context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	if r.stop != nil {
		defer r.stop()
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	to := address
	if net.ParseIP(host) == nil {
		to = net.JoinHostPort("10.0.0.1", port)
	}
	if d.Control != nil {
		if err := d.Control(network, to, nil); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dialled = append(r.dialled, address)
	return nil, errors.New("recorded")
}

func (r *recorder) has(address string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.dialled {
		if a == address {
			return true
		}
	}
	return false
}

// counting counts the connections that a listener takes.
type counting struct {
	net.Listener
	taken *atomic.Int64
}

func (c counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.taken.Add(1)
	}
	return conn, err
}

// listen starts a server that counts its connections.
func listen(t testing.TB, secure bool, h http.Handler) (*httptest.Server, *atomic.Int64) {
	taken := &atomic.Int64{}
	s := httptest.NewUnstartedServer(h)
	s.Listener = counting{s.Listener, taken}
	s.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	if s.Start(); secure {
		s.Close()
		s = httptest.NewUnstartedServer(h)
		s.Listener = counting{s.Listener, taken}
		s.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s, taken
}

func tlsServer(t testing.TB, h http.Handler) (*httptest.Server, *atomic.Int64) {
	return listen(t, true, h)
}

// keys are credentials of a client, for each scheme.
var keys = map[string]string{
	"s3":    "&access-key=a&secret-access-key=b",
	"gs":    "",
	"azure": "&account-name=account&account-key=" + azureKey,
}

// list opens and lists a location.
func list(ctx context.Context, p *source.Policy, uri string) ([]source.File, error) {
	s, err := source.Open(ctx, p, uri)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.List(ctx)
}

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

// lure is a server that takes what it is sent and looks for credentials in it.
type lure struct {
	*httptest.Server
	asked, shown atomic.Int64
	answer       http.HandlerFunc
}

func newLure(t *testing.T) *lure {
	l := &lure{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.asked.Add(1)
		var all bytes.Buffer
		_ = r.Header.Write(&all)
		_, _ = io.Copy(&all, r.Body)
		for _, secret := range []string{"NODEAKID", "NODE-SESSION", "NODE-CLOUD-TOKEN", "SharedKey", "nodeacct", "Authorization"} {
			if strings.Contains(all.String()+r.URL.String(), secret) {
				l.shown.Add(1)
				break
			}
		}
		if l.answer != nil {
			l.answer(w, r)
			return
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(l.Close)
	return l
}

// nodeCredentials gives the node credentials of its own for every provider.
func nodeCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "NODEAKID")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "NODE-SECRET")
	t.Setenv("AWS_SESSION_TOKEN", "NODE-SESSION-TOKEN")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	t.Setenv("AZURE_STORAGE_ACCOUNT", "nodeacct")
	t.Setenv("AZURE_STORAGE_KEY", azureKey)
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"NODE-CLOUD-TOKEN","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(tokens.Close)
	file := filepath.Join(t.TempDir(), "own.json")
	text := fmt.Sprintf(`{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r","token_uri":%q}`, tokens.URL)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
}

// TestS9OwnCredentialsGoWhereTheOperatorSays: to no address of a client's choice,
// and for no location that the operator has not named.
func TestS9OwnCredentialsGoWhereTheOperatorSays(t *testing.T) {
	nodeCredentials(t)
	for scheme := range keys {
		t.Run(scheme, func(t *testing.T) {
			l := newLure(t)
			uri := scheme + "://bucket/dir/x.csv?endpoint=" + url.QueryEscape(l.URL)
			ask := func(rules source.Rules) {
				t.Helper()
				p, err := source.NewPolicy(rules)
				require.NoError(t, err)
				_, err = list(t.Context(), p, uri)
				require.Error(t, err)
			}
			ask(source.Rules{})
			ask(source.Rules{Ambient: []string{scheme + "://bucket"}})
			require.Zero(t, l.asked.Load(), "an address that is not listed")
			ask(source.Rules{Endpoints: []string{l.URL}})
			ask(source.Rules{Endpoints: []string{l.URL}, Ambient: []string{scheme + "://other", scheme + "://bucket/di"}})
			require.Zero(t, l.shown.Load(), "a location that is not listed")
			ask(source.Rules{Endpoints: []string{l.URL}, Ambient: []string{scheme + "://bucket/dir"}})
			require.NotZero(t, l.shown.Load(), "the test can fail")
		})
	}
}

// TestS9CredentialsDoNotFollowRedirects: nor does anything else.
func TestS9CredentialsDoNotFollowRedirects(t *testing.T) {
	nodeCredentials(t)
	for scheme, with := range keys {
		for _, status := range []int{301, 302, 303, 307, 308} {
			l, front := newLure(t), newLure(t)
			front.answer = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, l.URL+r.URL.String(), status)
			}
			for _, with := range []string{with, ""} {
				p, err := source.NewPolicy(source.Rules{Endpoints: []string{front.URL, l.URL}, Ambient: []string{scheme + "://bucket"}})
				require.NoError(t, err)
				_, err = list(t.Context(), p, scheme+"://bucket/x.csv?endpoint="+url.QueryEscape(front.URL)+with)
				require.Error(t, err)
			}
			require.NotZero(t, front.asked.Load())
			require.Zero(t, l.asked.Load(), "%s %d", scheme, status)
		}
	}
}

// TestS10EndpointsAreTheOperators: no spelling of an address makes a node connect
// to itself or to its own network, and all that is wrong with one has one text.
func TestS10EndpointsAreTheOperators(t *testing.T) {
	t.Parallel()
	secure, taken := tlsServer(t, http.NotFoundHandler())
	plain, takenPlain := listen(t, false, http.NotFoundHandler())
	_, securePort, err := net.SplitHostPort(secure.Listener.Addr().String())
	require.NoError(t, err)
	_, plainPort, err := net.SplitHostPort(plain.Listener.Addr().String())
	require.NoError(t, err)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	banner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer banner.Close()
	go func() {
		for {
			c, err := banner.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "SSH-2.0-OpenSSH\r\n")
			c.Close()
		}
	}()

	var mu sync.Mutex
	texts := map[string]string{}
	try := func(p *source.Policy, endpoints ...string) {
		t.Helper()
		var work sync.WaitGroup
		for _, endpoint := range endpoints {
			for scheme, with := range keys {
				work.Go(func() {
					_, err := list(t.Context(), p, scheme+"://bucket/a.csv?endpoint="+url.QueryEscape(endpoint)+with)
					mu.Lock()
					defer mu.Unlock()
					texts[fmt.Sprint(err)] = scheme + " " + endpoint
				})
			}
		}
		work.Wait()
	}
	spellings := []string{"http://127.0.0.1:" + plainPort, "ftp://127.0.0.1:" + plainPort}
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "127.1", "[::]"} {
		spellings = append(spellings, "https://"+host+":"+securePort)
	}
	try(nil, spellings...)
	require.Zero(t, taken.Load()+takenPlain.Load(), "connections")

	// What the operator has listed, and what does not answer as a store.
	policy, err := source.NewPolicy(source.Rules{Endpoints: []string{secure.URL, closed.Addr().String(), banner.Addr().String()}})
	require.NoError(t, err)
	try(policy, "http://"+closed.Addr().String(), "http://"+banner.Addr().String(), "https://"+banner.Addr().String(),
		secure.URL) // nobody vouches for its certificate
	require.NotZero(t, taken.Load(), "the test can fail")
	require.Len(t, texts, 1, "%v", texts)
	for text := range texts {
		require.Contains(t, text, "ERROR 8159 (HY000): ")
		require.Contains(t, text, source.NotThere)
	}
}

// TestS10AddressIsCheckedWhereItIsDialled: a name that has one address when it is
// looked at and another when it is dialled is no way around.
func TestS10AddressIsCheckedWhereItIsDialled(t *testing.T) {
	t.Parallel()
	server, taken := tlsServer(t, http.NotFoundHandler())
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	names := newDNS(t)
	for _, address := range [][4]byte{{127, 0, 0, 1}, {0, 0, 0, 0}, {10, 1, 1, 1}, {169, 254, 169, 254}} {
		names.address.Store(address)
		before := names.asked.Load()
		policy := &source.Policy{}
		policy.SetResolver(names.resolver())
		_, err = list(t.Context(), policy, "s3://bucket/a.csv?access-key=a&secret-access-key=b&endpoint=https://rebind.example.:"+port)
		requireCode(t, err, 8159, source.NotThere)
		require.False(t, source.Retryable(err), "no job tries that again")
		require.Greater(t, names.asked.Load(), before)
	}
	require.Zero(t, taken.Load())
	// Listed by name it is the operator's affair where the name leads.
	policy, err := source.NewPolicy(source.Rules{Endpoints: []string{"rebind.example:" + port}})
	require.NoError(t, err)
	policy.SetResolver(names.resolver())
	names.address.Store([4]byte{127, 0, 0, 1})
	_, err = list(t.Context(), policy, "s3://bucket/a.csv?access-key=a&secret-access-key=b&endpoint=https://rebind.example:"+port)
	require.Error(t, err)
	require.NotZero(t, taken.Load(), "the test can fail")
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
