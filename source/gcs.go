package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
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
// names, else, where the node may show its own, with Google's default ones, else
// without any, as public buckets and emulators let everybody in.
func newGCS(ctx context.Context, policy *Policy, at *Location, client *http.Client, own bool) (b *gcsBucket, anonymous bool, err error) {
	b = &gcsBucket{client: client, base: gcsEndpoint, name: at.bucket, pause: 4 * firstPause}
	if endpoint := at.params["endpoint"]; endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil {
			return nil, false, err
		}
		if strings.Trim(u.Path, "/") == "" {
			u.Path = "/storage/v1/" // the host alone is named
		}
		b.base = strings.TrimSuffix(u.String(), "/") + "/"
	}
	tokens, err := gcsTokens(ctx, policy, at, client, own)
	if err != nil || tokens == nil {
		return b, true, err
	}
	if _, err := tokens.Token(); err != nil {
		return nil, false, gcsTokenError(err)
	}
	b.client = &http.Client{Transport: &oauth2.Transport{Source: tokens, Base: client.Transport}, CheckRedirect: client.CheckRedirect}
	return b, false, nil
}

// gcsTokens is where tokens come from; nil if nobody says who we are.
func gcsTokens(ctx context.Context, policy *Policy, at *Location, client *http.Client, own bool) (oauth2.TokenSource, error) {
	ctx = context.WithoutCancel(ctx) // tokens are renewed long after this call has ended
	if file, named := at.params["credentials-file"]; named {
		creds, err := gcsCredentials(context.WithValue(ctx, oauth2.HTTPClient, client), policy, file)
		if err != nil {
			policy.tell("the credentials file of an import cannot be used", at, err.Error())
			return nil, noAccess(badFile)
		}
		return creds.TokenSource, nil
	}
	if !own {
		return nil, nil
	}
	creds, err := google.FindDefaultCredentials(context.WithValue(ctx, oauth2.HTTPClient, ownClient), gcsScope)
	if err != nil {
		return nil, &ownError{err}
	}
	return creds.TokenSource, nil
}

// ownClient asks for tokens of the node's own, where the operator has said.
var ownClient = &http.Client{Timeout: askTime}

// badFile is all that a client is told of a file of credentials: whoever names
// one is not to learn which files there are.
const badFile = "the file of credentials-file cannot be used: it must be a key of Google's in JSON, in a folder of --import-dir; " +
	"the node's log says more"

// largestKey bounds a file of credentials. They have some 2 KiB.
const largestKey = 64 << 10

// gcsCredentials reads a file of credentials, of a folder that imports may read.
// The kinds that name programs to run, files to read and addresses to ask are the
// operator's alone.
func gcsCredentials(ctx context.Context, policy *Policy, name string) (*google.Credentials, error) {
	if !filepath.IsAbs(name) || hasDots(name) {
		return nil, fmt.Errorf("%q is no absolute path", name)
	}
	d, err := policy.openDisk(ctx, filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	defer d.root.Close() //nolint:errcheck // only read
	f, _, err := d.open(filepath.Base(name))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, largestKey+1))
	if err != nil {
		return nil, err
	}
	if len(text) > largestKey {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, largestKey)
	}
	var head struct {
		Type google.CredentialsType `json:"type"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("%s holds no JSON", name)
	}
	if head.Type != google.ServiceAccount && head.Type != google.AuthorizedUser {
		return nil, fmt.Errorf("%s holds credentials of kind %q, and not of a service account or a user", name, head.Type)
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

// gcsPageSize is how many objects we ask for at a time.
const gcsPageSize = 1000

// gcsPage is the objects of a page. A store that lies may send two bytes for each of
// millions; no more are decoded than we have asked for.
type gcsPage []gcsObject

func (p *gcsPage) UnmarshalJSON(text []byte) error {
	in := json.NewDecoder(bytes.NewReader(text))
	if start, err := in.Token(); err != nil || start != json.Delim('[') {
		return err
	}
	for in.More() {
		if len(*p) == gcsPageSize {
			return errLongAnswer
		}
		var o gcsObject
		if err := in.Decode(&o); err != nil {
			return err
		}
		*p = append(*p, o)
	}
	return nil
}

func (b *gcsBucket) list(ctx context.Context, prefix string, found func(File) error) error {
	query := url.Values{
		"prefix": {prefix}, "delimiter": {"/"}, "maxResults": {strconv.Itoa(gcsPageSize)},
		"fields": {"items(name,size,generation),nextPageToken"},
	}
	for {
		var page struct {
			Items         gcsPage `json:"items"`
			NextPageToken string  `json:"nextPageToken"`
		}
		if err := b.getJSON(ctx, "", query, &page); err != nil {
			return err
		}
		for _, o := range page.Items {
			if err := found(o.file()); err != nil {
				return err
			}
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
