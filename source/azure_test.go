package source_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/source"
)

// azureServer answers what we ask of Azure Blob Storage as its manual has it
// (Blob service REST API, version 2024-08-04): properties of a container, the
// list of its blobs, properties and ranges of a blob, shared keys and shared
// access signatures. No server of others' making runs without Node.
type azureServer struct {
	front *httptest.Server
	mu    sync.Mutex
	blobs map[string]azureBlob
	count int
	asked []http.Header // of requests for blobs
}

type azureBlob struct {
	content []byte
	tag     string
}

const (
	azureKey = "c2VjcmV0LWtleS1vZi10aGUtYWNjb3VudA=="
	azureSAS = "sv=2024-08-04&sp=rl&sig=shared+signature/="
	// pageOfBlobs is small, so that lists have many pages.
	pageOfBlobs = 3
)

func newAzureServer(t *testing.T) *azureServer {
	s := &azureServer{blobs: map[string]azureBlob{}}
	s.front = httptest.NewServer(s)
	t.Cleanup(s.front.Close)
	return s
}

func (s *azureServer) Endpoint() string { return s.front.URL }

func (s *azureServer) URI(endpoint, path string) string {
	return "azure://" + path + "?account-name=account&account-key=" + azureKey + "&endpoint=" + url.QueryEscape(endpoint)
}

func (s *azureServer) BadURI() string {
	return "azblob://bucket/a.csv?account_name=account&account_key=" + "wrongsecret=" +
		"&endpoint=" + url.QueryEscape(s.Endpoint())
}

func (s *azureServer) Put(_ testing.TB, key string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.blobs[key] = azureBlob{content, fmt.Sprintf(`"0x8D%d"`, s.count)}
}

func (s *azureServer) Remove(_ testing.TB, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blobs, key)
}

// signed computes a request's authorization: "Authorize with Shared Key" in the
// manual.
func signed(r *http.Request) string {
	text := r.Method + "\n"
	for _, name := range []string{
		"Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type",
		"Date", "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range",
	} {
		value := r.Header.Get(name)
		if name == "Content-Length" && value == "0" {
			value = ""
		}
		text += value + "\n"
	}
	var headers []string
	for name := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-ms-") {
			headers = append(headers, name)
		}
	}
	slices.Sort(headers)
	for _, name := range headers {
		text += name + ":" + strings.TrimSpace(strings.Join(r.Header.Values(name), ",")) + "\n"
	}
	text += "/account" + r.URL.EscapedPath()
	var parameters []string
	for name, values := range r.URL.Query() {
		slices.Sort(values)
		parameters = append(parameters, "\n"+strings.ToLower(name)+":"+strings.Join(values, ","))
	}
	slices.Sort(parameters)
	text += strings.Join(parameters, "")
	key, _ := base64.StdEncoding.DecodeString(azureKey)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return "SharedKey account:" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("X-Ms-Error-Code", code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code><Message>refused</Message></Error>", code)
}

func (s *azureServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	byKey := r.Header.Get("Authorization") == signed(r)
	bySignature := query.Get("sig") == "shared signature/=" || query.Get("sig") == "shared+signature/="
	container, key, inside := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case !byKey && !bySignature:
		refuse(w, http.StatusForbidden, "AuthenticationFailed")
	case container != "bucket":
		refuse(w, http.StatusNotFound, "ContainerNotFound")
	case !inside && query.Get("comp") == "list":
		s.list(w, query)
	case !inside && bySignature:
		refuse(w, http.StatusForbidden, "AuthorizationPermissionMismatch")
	case !inside:
		w.WriteHeader(http.StatusOK)
	default:
		s.asked = append(s.asked, r.Header.Clone())
		s.blob(w, r, key)
	}
}

func (s *azureServer) blob(w http.ResponseWriter, r *http.Request, key string) {
	b, ok := s.blobs[key]
	if !ok {
		refuse(w, http.StatusNotFound, "BlobNotFound")
		return
	}
	if match := r.Header.Get("If-Match"); match != "" && match != b.tag {
		refuse(w, http.StatusPreconditionFailed, "ConditionNotMet")
		return
	}
	w.Header().Set("ETag", b.tag)
	part, status := b.content, http.StatusOK
	asked := r.Header.Get("X-Ms-Range")
	if asked == "" {
		asked = r.Header.Get("Range")
	}
	if first, last, ok := strings.Cut(strings.TrimPrefix(asked, "bytes="), "-"); ok {
		from, _ := strconv.Atoi(first)
		to := len(b.content) - 1
		if last != "" {
			to, _ = strconv.Atoi(last)
			to = min(to, len(b.content)-1)
		}
		if from >= len(b.content) {
			refuse(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
			return
		}
		part, status = b.content[from:to+1], http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(b.content)))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(part)))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		s.mu.Unlock() // the client may take its time
		_, _ = w.Write(part)
		s.mu.Lock()
	}
}

func (s *azureServer) list(w http.ResponseWriter, query url.Values) {
	type properties struct {
		Length int    `xml:"Content-Length"`
		Etag   string `xml:"Etag"`
	}
	type item struct {
		Name       string
		Properties properties
	}
	var answer struct {
		XMLName    xml.Name `xml:"EnumerationResults"`
		Blobs      []item   `xml:"Blobs>Blob"`
		NextMarker string
	}
	var keys []string
	for key := range s.blobs {
		rest, ok := strings.CutPrefix(key, query.Get("prefix"))
		if ok && key > query.Get("marker") && !(query.Get("delimiter") == "/" && strings.Contains(rest, "/")) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if len(keys) > pageOfBlobs {
		keys = keys[:pageOfBlobs]
		answer.NextMarker = keys[pageOfBlobs-1]
	}
	for _, key := range keys {
		b := s.blobs[key]
		answer.Blobs = append(answer.Blobs, item{key, properties{len(b.content), strings.Trim(b.tag, `"`)}})
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(answer)
}

func TestAzure(t *testing.T) {
	s := newAzureServer(t)
	testStore(t, s)

	t.Run("SharedAccessSignature", func(t *testing.T) {
		s.Put(t, "sas.csv", []byte("1,a\n"))
		for _, signature := range []string{azureSAS, "?" + azureSAS} {
			uri := "azure://bucket/sas*?account-name=account&endpoint=" + url.QueryEscape(s.Endpoint()) + "&sas-token=" + url.QueryEscape(signature)
			src := open(t, uri)
			require.Equal(t, []string{"sas.csv 4"}, paths(t, src))
			got, err := readAll(t, src, "sas.csv", 0, -1)
			require.NoError(t, err)
			require.Equal(t, "1,a\n", string(got))
			require.NotContains(t, src.String(), "shared")
		}
		// An endpoint may carry it, too.
		uri := "azure://bucket/sas.csv?account-name=account&endpoint=" + url.QueryEscape(s.Endpoint()+"/?"+azureSAS)
		require.Equal(t, []string{"sas.csv 4"}, paths(t, open(t, uri)))
		require.NotContains(t, source.Mask(uri), "signature")
	})
	t.Run("EncryptionKey", func(t *testing.T) {
		s.Put(t, "enc.csv", []byte("1,a\n"))
		src := open(t, s.URI(s.Endpoint(), "bucket/enc.csv")+"&encryption-key=0123456789abcdef0123456789abcdef")
		_, err := readAll(t, src, "enc.csv", 0, -1)
		require.NoError(t, err)
		last := s.asked[len(s.asked)-1]
		require.Equal(t, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", last.Get("X-Ms-Encryption-Key"))
		require.Equal(t, "AES256", last.Get("X-Ms-Encryption-Algorithm"))
	})
	t.Run("MalformedKey", func(t *testing.T) {
		_, err := openErr(t, "azure://bucket/a.csv?account-name=account&account-key=not_base_64&endpoint="+url.QueryEscape(s.Endpoint()))
		requireCode(t, err, 8159, "Failed to get azure sharedKey credential")
		require.False(t, source.Retryable(err))
		require.NotContains(t, err.Error(), "not_base_64")
	})
	t.Run("Environment", func(t *testing.T) {
		s.Put(t, "env.csv", []byte("1,a\n"))
		uri := "azure://bucket/env.csv?endpoint=" + url.QueryEscape(s.Endpoint())
		policy := own(t, s.Endpoint(), "azure://bucket")
		for _, name := range []string{"AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"} {
			t.Setenv(name, "")
		}
		_, err := source.Open(t.Context(), policy, uri)
		requireCode(t, err, 8159, "account name cannot be empty to access azure blob storage")
		t.Setenv("AZURE_STORAGE_ACCOUNT", "account")
		_, err = source.Open(t.Context(), policy, uri)
		requireCode(t, err, 8159, "cannot find any credential info to access azure blob storage")
		t.Setenv("AZURE_STORAGE_KEY", azureKey)
		src, err := source.Open(t.Context(), policy, uri)
		require.NoError(t, err)
		require.Equal(t, []string{"env.csv 4"}, paths(t, src))
		src.Close()
		_, err = openErr(t, uri)
		requireCode(t, err, 8159, "account name cannot be empty to access azure blob storage")
		// They are for one account.
		_, err = source.Open(t.Context(), policy, uri+"&account-name=other")
		requireCode(t, err, 8159, "cannot find any credential info", "--import-ambient-credentials")
	})
}
