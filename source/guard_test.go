package source_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/source"
)

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
