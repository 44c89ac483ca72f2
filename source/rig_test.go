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
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"dxfproxy/source"
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
	if secure {
		s.StartTLS()
	} else {
		s.Start()
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
