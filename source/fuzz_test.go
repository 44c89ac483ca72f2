package source_test

import (
	"context"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/source"
)

// canary is a secret that nothing else looks like.
const canary = "hunter2CANARY"

// secretPlaces are where a location may have a secret; each ends before it.
var secretPlaces = []string{
	"access-key=", "secret_access_key=", "SESSION-TOKEN=", "account-key=", "sas_token=", "encryption-key=", "sig=", "secret%2Daccess-key=",
	"endpoint=http://bob:", "endpoint=http%3A%2F%2Fbob%3A", "endpoint=https://h/?sig=", "my-secret=", "api-key=", "x-amz-signature=", "endpoint=http:%2F%2Fbob%3a",
}

// FuzzPolicy gives a node whatever a client may write as a location, and looks at
// what is opened and dialled: no file outside the operator's folder, no address but
// listed and public ones. Where a secret stands in it, it is masked.
func FuzzPolicy(f *testing.F) {
	base, err := filepath.EvalSymlinks(f.TempDir())
	require.NoError(f, err)
	in, out := filepath.Join(base, "in"), filepath.Join(base, "out")
	for _, dir := range []string{in + "/sub", out} {
		require.NoError(f, os.MkdirAll(dir, 0o755))
		require.NoError(f, os.WriteFile(dir+"/a.csv", []byte("1\n"), 0o600))
	}
	// Who reads this file asks for a token where it says.
	key := `{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r","token_uri":"https://` + "outside.example" + `/"}`
	require.NoError(f, os.WriteFile(out+"/key.json", []byte(key), 0o600))
	for link, to := range map[string]string{"way": out, "up": "..", "a.csv": "../out/a.csv", "key.json": out + "/key.json", "s": "sub"} {
		require.NoError(f, os.Symlink(to, filepath.Join(in, link)))
	}
	for _, text := range []string{
		"/in/sub/a.csv", "/in/../out/a.csv", "/in/way/*.csv", "/in/a.csv", "/out/a.csv", "/in//sub/./*.csv", "/in/s/a.csv",
		"s3://b/k?access-key=a&secret-access-key=b&endpoint=https://10.0.0.1", "s3://b/k?endpoint=http://8.8.8.8", "gs://b/k?endpoint=https://127.1:443",
		"gs://b/k?credentials-file=/in/../out/key.json", "gs://b/k?credentials_file=/in/key.json&endpoint=https://8.8.8.8", "gs://b/k",
		"azure://c/k?account-name=evil.example/x&account-key=AAAA", "azure://c/k?account-name=a&account-key=AAAA&endpoint=https://[::ffff:10.0.0.1]/",
		"s3://b/k?access-key=a&secret-access-key=b&region=evil.example/%23", "ks3://b/k?endpoint=https://listed.example:9000/x&provider=alibaba",
		"s3://b/k?access-key=a&secret-access-key=b&endpoint=http://listed.example:9000@evil.example/", "s3://evil.example%2F/k?force-path-style=false",
	} {
		f.Add(text, uint8(0), "")
	}
	for i := range secretPlaces {
		f.Add("s3://b/k?region=r&", uint8(i), "@h/&x=1")
		f.Add("gs://b/%zz?", uint8(i), "#@h")
	}
	f.Fuzz(func(t *testing.T, text string, kind uint8, rest string) {
		masks(t, text, secretPlaces[int(kind)%len(secretPlaces)], rest)
		text = strings.NewReplacer("/in/", in+"/", "/out/", out+"/").Replace(text)
		policy, err := source.NewPolicy(source.Rules{Dirs: []string{in}, Endpoints: []string{"http://listed.example:9000", "https://127.0.0.1:9443/part"}})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		r := newRecorder(policy)
		r.stop = cancel // one address is enough, and nobody waits for a second attempt
		files, _ := list(ctx, policy, text)
		for _, file := range files {
			real, err := filepath.EvalSymlinks(file.Path)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(real, in+"/"), "%s is %s", file.Path, real)
		}
		for _, address := range r.dialled {
			allowed(t, address)
		}
	})
}

// allowed wants an address that is listed, or public. All names are private to the
// recorder.
func allowed(t *testing.T, address string) {
	if strings.HasSuffix(address, "listed.example:9000") || address == "127.0.0.1:9443" {
		return
	}
	to, err := netip.ParseAddrPort(address)
	require.NoError(t, err, "%s was dialled", address)
	a := to.Addr().Unmap()
	if a.IsPrivate() || a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() || strings.HasPrefix(a.String(), "0.") {
		t.Fatalf("%s was dialled", address)
	}
}

// masks puts a secret into a location, and wants it gone.
func masks(t *testing.T, head, place, rest string) {
	if strings.HasPrefix(head, "/") || head == "" || !strings.ContainsAny(head[len(head)-1:], "?&") {
		return // a path, or the secret would stand in something else
	}
	if strings.Contains(place, "bob") && !strings.HasPrefix(rest, "@") && !strings.HasPrefix(rest, "%40") {
		return // no password
	}
	if strings.Contains(head+rest, canary) {
		return
	}
	// What only sounds like a secret is one among the parameters alone.
	if sounds := strings.HasPrefix(place, "my-") || strings.HasPrefix(place, "api-"); sounds && !strings.Contains(head, "?") {
		return
	}
	uri := head + place + canary + rest
	if shown := source.Mask(uri); strings.Contains(shown, canary) {
		t.Fatalf("Mask of %q is %q", uri, shown)
	}
	if _, err := source.Parse(uri); err != nil && strings.Contains(err.Error(), canary) {
		t.Fatalf("%q: %v", uri, err)
	}
	if u, err := url.Parse(uri); err == nil && strings.Contains(source.Mask(u.String()), canary) {
		t.Fatalf("Mask of %q", u.String())
	}
}
