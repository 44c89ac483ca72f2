package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// What we need of Google Cloud Storage is three requests of its JSON API. The
// vendor's client brings gRPC and 27 MB of binary.
const (
	gcsEndpoint = "https://storage.googleapis.com/storage/v1/"
	gcsScope    = "https://www.googleapis.com/auth/devstorage.read_only"
)

// gcsBucket is a bucket of Google Cloud Storage.
type gcsBucket struct {
	client *http.Client // with tokens
	base   string       // of all requests, ends with "/"
	name   string
	pause  time.Duration // before the second attempt of a request
}

// newGCS connects to a bucket, with the credentials of the file that the URI
// names, else Google's default ones.
func newGCS(ctx context.Context, at *Location, client *http.Client) (*gcsBucket, error) {
	b := &gcsBucket{client: client, base: gcsEndpoint, name: at.bucket, pause: 4 * firstPause}
	endpoint := at.params["endpoint"]
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil {
			return nil, err
		}
		if strings.Trim(u.Path, "/") == "" {
			u.Path = "/storage/v1/" // the host alone is named
		}
		b.base = strings.TrimSuffix(u.String(), "/") + "/"
	}
	// Tokens are renewed long after this call has ended.
	renewal := context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, client)
	var creds *google.Credentials
	var err error
	if file := at.params["credentials-file"]; file != "" {
		creds, err = gcsCredentials(renewal, file)
	} else {
		creds, err = google.FindDefaultCredentials(renewal, gcsScope)
		if err != nil && endpoint != "" {
			return b, nil // an emulator, or a public bucket
		}
		if err != nil {
			err = fmt.Errorf("%w Or you should provide 'credentials-file'", err)
		}
	}
	if err != nil {
		return nil, err
	}
	if _, err := creds.TokenSource.Token(); err != nil {
		return nil, gcsTokenError(err)
	}
	b.client = &http.Client{Transport: &oauth2.Transport{Source: creds.TokenSource, Base: client.Transport}}
	return b, nil
}

// gcsCredentials reads a file of credentials. It may be of any kind Google has;
// what makes some kinds dangerous, that they name programs and addresses, is
// the affair of who may put files on the node.
func gcsCredentials(ctx context.Context, file string) (*google.Credentials, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, invalidURI("%v", err)
	}
	var head struct {
		Type google.CredentialsType `json:"type"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("read credentials from %s: no JSON", file)
	}
	return google.CredentialsFromJSONWithType(ctx, text, head.Type, gcsScope)
}

// gcsTokenError says what a refused token means.
func gcsTokenError(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return err
	}
	e := &storeError{err: err, text: "get token: " + answer.Response.Status}
	if answer.ErrorCode != "" {
		e.text += ": " + answer.ErrorCode + " " + answer.ErrorDescription
	}
	if statusKind(answer.Response.StatusCode) != nil {
		e.kind = errDenied // 400 invalid_grant is a refusal, too
	}
	return e
}

// gcsObject is an object as the API describes it. Numbers come as strings.
type gcsObject struct {
	Name       string `json:"name"`
	Size       int64  `json:"size,string"`
	Generation int64  `json:"generation,string"`
}

func (o gcsObject) file() File {
	return File{Path: o.Name, Size: o.Size, Tag: strconv.FormatInt(o.Generation, 10)}
}

func (b *gcsBucket) list(ctx context.Context, prefix string, found func(File)) error {
	query := url.Values{
		"prefix": {prefix}, "delimiter": {"/"}, "maxResults": {"1000"},
		"fields": {"items(name,size,generation),nextPageToken"},
	}
	for {
		var page struct {
			Items         []gcsObject `json:"items"`
			NextPageToken string      `json:"nextPageToken"`
		}
		if err := b.getJSON(ctx, "", query, &page); err != nil {
			return err
		}
		for _, o := range page.Items {
			found(o.file())
		}
		if page.NextPageToken == "" {
			return nil
		}
		query.Set("pageToken", page.NextPageToken)
	}
}

func (b *gcsBucket) stat(ctx context.Context, key string) (File, error) {
	var o gcsObject
	err := b.getJSON(ctx, key, url.Values{"fields": {"name,size,generation"}}, &o)
	return o.file(), err
}

func (b *gcsBucket) read(ctx context.Context, key, tag string, offset, length int64) (io.ReadCloser, File, error) {
	query := url.Values{"alt": {"media"}}
	if tag != "" {
		query.Set("ifGenerationMatch", tag)
	}
	part := byteRange(offset, length)
	answer, err := b.once(ctx, b.address(key, query), part)
	if err != nil {
		return nil, File{}, err
	}
	f := File{Path: key, Tag: answer.Header.Get("X-Goog-Generation")}
	f.Size, err = wholeSize(part != "", answer.Header.Get("Content-Range"), offset, answer.ContentLength)
	if err == nil && f.Size < 0 {
		err = &storeError{kind: errRefused, text: "the answer names no size"}
	}
	if err != nil {
		_ = answer.Body.Close()
		return nil, File{}, err
	}
	return answer.Body, f, nil
}

func (b *gcsBucket) getJSON(ctx context.Context, key string, query url.Values, into any) error {
	answer, err := b.get(ctx, b.address(key, query))
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// address is that of an object or, without a key, of the list of them.
func (b *gcsBucket) address(key string, query url.Values) string {
	address := b.base + "b/" + url.PathEscape(b.name) + "/o"
	if key != "" {
		address += "/" + url.PathEscape(key)
	}
	return address + "?" + query.Encode()
}

// get sends a request, again while what went wrong may pass.
func (b *gcsBucket) get(ctx context.Context, address string) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		answer, err := b.once(ctx, address, "")
		var said *storeError
		if err == nil || ctx.Err() != nil || attempt == requests || errors.As(err, &said) && said.permanent() {
			return answer, err
		}
		timer := time.NewTimer(b.pause << (attempt - 1))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
	}
}

func (b *gcsBucket) once(ctx context.Context, address, part string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	// Without this the store would unpack objects that it holds as gzip.
	request.Header.Set("Accept-Encoding", "gzip")
	if part != "" {
		request.Header.Set("Range", part)
	}
	answer, err := b.client.Do(request)
	if err != nil {
		var token *oauth2.RetrieveError
		if errors.As(err, &token) {
			return nil, gcsTokenError(err)
		}
		return nil, err
	}
	if answer.StatusCode < 300 {
		return answer, nil
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	e := &storeError{kind: statusKind(answer.StatusCode), text: answer.Status}
	var refusal struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10)) // the status says enough
	if json.Unmarshal(body, &refusal) == nil && refusal.Error.Message != "" {
		e.text += ": " + refusal.Error.Message
	}
	return nil, e
}
