package sourcetest

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// GCS is fake-gcs-server, behind a door that lets in who shows a token of ours. It
// is a program of its own; see source/gcsserver/go.mod.
type GCS struct {
	Front *httptest.Server

	back  string // without the door
	creds string // file of a service account
	bad   string // file of one whose key is not the account's
}

// NewGCS builds it, if it is not there yet, and starts it.
func NewGCS(t testing.TB) *GCS {
	t.Helper()
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "dxfproxy").Output()
	require.NoError(t, err)
	build := exec.Command("go", "tool", "-n", "fake-gcs-server")
	build.Dir = filepath.Join(strings.TrimSpace(string(module)), "source", "gcsserver")
	build.Stderr = os.Stderr
	program, err := build.Output()
	require.NoError(t, err, "build the GCS server")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := free.Addr().(*net.TCPAddr).Port
	require.NoError(t, free.Close())
	run := exec.Command(strings.TrimSpace(string(program)), "-backend=memory", "-scheme=http", "-host=127.0.0.1",
		fmt.Sprintf("-port=%d", port), "-log-level=error", "-data="+t.TempDir())
	run.Stderr = os.Stderr
	require.NoError(t, run.Start())
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
	})

	s := &GCS{back: fmt.Sprintf("http://127.0.0.1:%d", port)}
	require.Eventually(t, func() bool {
		answer, err := http.Post(s.back+"/storage/v1/b?project=p", "application/json", strings.NewReader(`{"name":"bucket"}`))
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, 30*time.Second, 20*time.Millisecond)

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	back, err := url.Parse(s.back)
	require.NoError(t, err)
	behind := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = back.Scheme, back.Host
		r.Out.Host = r.In.Host
	}}
	s.Front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			giveToken(w, r, &key.PublicKey)
		case r.Header.Get("Authorization") != "Bearer let-me-in":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"code":401,"message":"Anonymous caller does not have storage.objects.get access"}}`)
		default:
			behind.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Front.Close)
	s.creds = s.account(t, "good.json", key)
	s.bad = s.account(t, "bad.json", other)
	return s
}

// account writes the file of a service account.
func (s *GCS) account(t testing.TB, name string, key *rsa.PrivateKey) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "reader@test", "private_key_id": "1", "token_uri": s.Front.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	return file
}

// giveToken is OAuth 2.0's JWT grant (RFC 7523): who signs with the account's
// key gets a token.
func giveToken(w http.ResponseWriter, r *http.Request, key *rsa.PublicKey) {
	parts := strings.Split(r.FormValue("assertion"), ".")
	w.Header().Set("Content-Type", "application/json")
	if len(parts) == 3 {
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		if err == nil && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil {
			_, _ = io.WriteString(w, `{"access_token":"let-me-in","token_type":"Bearer","expires_in":3600}`)
			return
		}
	}
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`)
}

// Endpoint is where the door is.
func (s *GCS) Endpoint() string { return s.Front.URL }

// URI is of objects, by way of an endpoint.
func (s *GCS) URI(endpoint, path string) string {
	return "gs://" + path + "?credentials-file=" + s.creds + "&endpoint=" + url.QueryEscape(endpoint)
}

// BadURI is of a.csv, with the key of somebody else.
func (s *GCS) BadURI() string {
	return "gcs://bucket/a.csv?credentials_file=" + s.bad + "&endpoint=" + url.QueryEscape(s.Endpoint()+"/storage/v1/")
}

// Put writes an object.
func (s *GCS) Put(t testing.TB, key string, content []byte) {
	t.Helper()
	answer, err := http.Post(s.back+"/upload/storage/v1/b/bucket/o?uploadType=media&name="+url.QueryEscape(key),
		"application/octet-stream", bytes.NewReader(content))
	require.NoError(t, err)
	_ = answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

// Remove removes an object.
func (s *GCS) Remove(t testing.TB, key string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodDelete, s.back+"/storage/v1/b/bucket/o/"+url.PathEscape(key), nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	_ = answer.Body.Close()
	require.Less(t, answer.StatusCode, 300)
}
