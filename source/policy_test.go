package source_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/source"
)

// own is the policy of an operator who lets locations have the node's credentials
// at an endpoint.
func own(t testing.TB, endpoint string, places ...string) *source.Policy {
	t.Helper()
	p, err := source.NewPolicy(source.Rules{Endpoints: []string{endpoint}, Ambient: places})
	require.NoError(t, err)
	return p
}

func TestPolicyRefuses(t *testing.T) {
	for want, rules := range map[string]source.Rules{
		`--import-dir "data": `:                     {Dirs: []string{"/srv", "data"}},
		`--import-dir "": `:                         {Dirs: []string{""}},
		`--import-endpoints "": `:                   {Endpoints: []string{""}},
		`--import-endpoints "ftp://h": `:            {Endpoints: []string{"ftp://h"}},
		`--import-endpoints "http://h?x": `:         {Endpoints: []string{"http://h?x"}},
		`--import-endpoints "http://u:xxxxxx@h": `:  {Endpoints: []string{"http://u:secret@h"}},
		`--import-ambient-credentials "bucket": `:   {Ambient: []string{"bucket"}},
		`--import-ambient-credentials "/data": `:    {Ambient: []string{"/data"}},
		`--import-ambient-credentials "http://b": `: {Ambient: []string{"http://b"}},
	} {
		_, err := source.NewPolicy(rules)
		require.ErrorContains(t, err, want)
	}
}

// TestOwnCredentials: where the node's credentials may be used.
func TestOwnCredentials(t *testing.T) {
	policy, err := source.NewPolicy(source.Rules{
		Ambient:   []string{"s3://all", "gcs://b/team/", "azblob://c/one.csv", "s3://b/x/y"},
		Endpoints: []string{"https://minio.example/store"},
	})
	require.NoError(t, err)
	for uri, want := range map[string]bool{
		"s3://all/a/b*.csv": true, "s3://all": true, "s3://all2/a.csv": false, "gs://all/a.csv": false, "ks3://all/a?endpoint=https://minio.example/store": false,
		"gs://b/team/a*.csv": true, "gcs://b/team/x/a.csv": true, "gs://b/teams/a.csv": false, "gs://b/te*": false, "gs://b/team*": false,
		"gs://b/team": true, "gs://b/team/../other/a.csv": false, "gs://b/team/./a.csv": false, "gs://b/team/%2e%2e/a.csv": false,
		"azure://c/one.csv": true, "azure://c/one*.csv": false, "azure://c/one.csv.gz": false,
		"s3://b/x/y/z.csv": true, "s3://b/x/yz.csv": false, "s3://b/x/*": false,
		"s3://all/a?endpoint=https://minio.example/store":      true,
		"s3://all/a?endpoint=https://minio.example/store/":     true,
		"s3://all/a?endpoint=https://minio.example/store/sub":  false,
		"s3://all/a?endpoint=https://minio.example/storefront": false,
		"s3://all/a?endpoint=https://minio.example":            false,
		"s3://all/a?endpoint=http://minio.example/store":       false,
		"s3://all/a?endpoint=https://s3.example":               false,
	} {
		got, err := policy.OwnCredentials(uri)
		require.NoError(t, err, uri)
		require.Equal(t, want, got, uri)
	}
	got, err := (&source.Policy{}).OwnCredentials("s3://all/a")
	require.NoError(t, err)
	require.False(t, got, "by default")
}

// TestS9OwnCredentialsStayInTheirPlace: an address that is longer than the one that
// the operator has listed makes another bucket of the one that may be read.
func TestS9OwnCredentialsStayInTheirPlace(t *testing.T) {
	policy, err := source.NewPolicy(source.Rules{
		Ambient:   []string{"s3://b", "gs://b/team", "azure://c"},
		Endpoints: []string{"https://minio.example", "10.0.0.9:4443"},
	})
	require.NoError(t, err)
	for uri, want := range map[string]bool{
		"s3://b/a?endpoint=https://minio.example":                                                        true,
		"s3://b/a?endpoint=https://minio.example/":                                                       true,
		"s3://b/a?endpoint=https://minio.example/other":                                                  false,
		"s3://b/a?endpoint=https://minio.example/storage/v1":                                             false,
		"gs://b/team/a?endpoint=http://10.0.0.9:4443":                                                    true,
		"gs://b/team/a?endpoint=http://10.0.0.9:4443/storage/v1/":                                        true,
		"gs://b/team/a?endpoint=http://10.0.0.9:4443/storage/v1/b/other/o/secret%253Falt%253Dmedia%2523": false,
		"gs://b/team/a?endpoint=http://10.0.0.9:4443/storage/v1/b/other/o/secret%3Falt%3Dmedia%26x%3D":   false,
		"gs://b/team/a?endpoint=http://10.0.0.9:4443/storage/v1/b/other/o/secret%23":                     false,
		"gs://b/team/a?endpoint=http://10.0.0.9:4443%3Fx":                                                false,
		"gs://b/team/a?endpoint=http://10.0.0.9:4443%3F":                                                 false,
		"gs://b/team/a?endpoint=http://u@10.0.0.9:4443":                                                  false,
		"azure://c/a?account-name=acc&endpoint=http://10.0.0.9:4443/acc":                                 true,
		"azure://c/a?account-name=acc&endpoint=http://10.0.0.9:4443/other":                               false,
	} {
		got, err := policy.OwnCredentials(uri)
		require.NoError(t, err, uri)
		require.Equal(t, want, got, uri)
	}
}

// TestEndpoints: which addresses may be asked, before they are resolved.
func TestEndpoints(t *testing.T) {
	policy, err := source.NewPolicy(source.Rules{Endpoints: []string{
		"minio:9000", "Plain.example", "http://only.http:81", "https://part.example/a/b/", "[::1]:9000", "10.0.0.1",
	}})
	require.NoError(t, err)
	const listed, public, no = "listed", "if public", "no"
	for address, want := range map[string]string{
		"http://minio:9000": listed, "https://minio:9000/x": listed, "http://MINIO.:9000": listed, "http://minio:9001": no, "http://minio": no,
		"https://minio:9001": public, "http://bucket.minio:9000": listed, "http://other.minio:9000": no, "http://xminio:9000": no,
		"http://plain.example": listed, "https://plain.example": listed, "https://plain.example:443": listed, "http://plain.example:443": no,
		"https://plain.example:444": public, "http://only.http:81": listed, "https://only.http:81": no,
		"https://part.example/a/b": listed, "https://part.example/a/b/c": listed, "https://part.example/a/bc": no, "https://part.example/": no,
		"https://part.example/a/b/../c": no, "https://part.example/a/b/%2e%2e/c": no, "http://[::1]:9000": listed, "https://[::1]": public,
		"http://10.0.0.1": listed, "https://10.0.0.2": public, "http://example.org": no, "https://example.org": public, "ftp://example.org": no, "": no,
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		is, err := policy.MayAsk(u, "bucket")
		got := map[bool]string{true: listed, false: public}[is]
		if err != nil {
			got = no
		}
		require.Equal(t, want, got, address)
	}
}

func TestPublicAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700::1111": true, "64:ff9b::8.8.8.8": true, "::ffff:8.8.8.8": true, "199.36.153.4": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::ffff:127.0.0.1": false, "::127.0.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "::": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "fd00:ec2::254": false, "fc00::1": false,
		"169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "100.64.0.1": false, "100.100.100.200": false,
		"192.0.0.192": false, "168.63.129.16": false, "198.18.0.1": false, "192.0.2.1": false, "224.0.0.1": false, "ff02::1": false,
		"255.255.255.255": false, "240.0.0.1": false, "64:ff9b::127.0.0.1": false, "64:ff9b::169.254.169.254": false, "64:ff9b:1::8.8.8.8": false,
		"2002:7f00:1::": false, "2001::1": false, "2001:db8::1": false, "100::1": false, "5f00::1": false,
		"172.32.0.1": true, "100.128.0.1": true, "11.0.0.1": true, "2001:200::1": true,
	} {
		require.Equal(t, want, source.Public(netip.MustParseAddr(address)), address)
	}
}

// TestProxies: the operator's proxy is asked for what the operator has listed and
// for the providers' own addresses. What a client names might be a private address
// to the proxy.
func TestProxies(t *testing.T) {
	t.Parallel()
	policy, err := source.NewPolicy(source.Rules{Endpoints: []string{"https://listed.example"}})
	require.NoError(t, err)
	_, asked := tlsServer(t, http.NotFoundHandler())
	for uri, want := range map[string]bool{
		"s3://b/a.csv?access-key=a&secret-access-key=b":                                   true,
		"s3://b/a.csv?access-key=a&secret-access-key=b&endpoint=https://listed.example":   true,
		"s3://b/a.csv?access-key=a&secret-access-key=b&endpoint=https://10.0.0.1":         false,
		"s3://b/a.csv?access-key=a&secret-access-key=b&endpoint=https://s3.amazonaws.com": false,
	} {
		to := newRecorder(policy)
		policy.SetProxy(func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.example:3128") })
		_, err = source.Open(t.Context(), policy, uri)
		requireCode(t, err, 8159, source.NotThere)
		require.Equal(t, want, to.has("proxy.example:3128"), "%s: %v", uri, to.dialled)
	}
	require.Zero(t, asked.Load())
}
