package source

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// largestAnswer bounds what a store says that is no object: a page of a list is
// the longest, 1000 keys of 1024 bytes, each byte escaped.
const largestAnswer = 16 << 20

// dialTime is how long one address may take to answer.
const dialTime = 10 * time.Second

// guard carries the requests of one source. It asks only what the policy lets it
// ask, and looks at the address that is dialled, after names were resolved: a
// name may mean another address a moment later.
type guard struct {
	policy   *Policy
	bucket   string
	provider string // domain of the provider's own addresses, where the location names none
	base     http.RoundTripper
	proxies  sync.Map // addresses of the operator's proxies
}

// newClient makes the HTTP client of one source. Nothing limits the time of a
// transfer as a whole.
func newClient(p *Policy, at *Location) *http.Client {
	g := &guard{policy: p, bucket: at.bucket}
	if at.params["endpoint"] == "" {
		g.provider = map[string]string{onS3: ".amazonaws.com", onGCS: ".googleapis.com", onAzure: ".blob.core.windows.net"}[at.scheme]
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy, t.DialContext = g.proxy, g.dial
	t.DisableCompression = true // we want what is stored
	t.ResponseHeaderTimeout = idleTime
	t.MaxIdleConnsPerHost = 16
	t.ReadBufferSize = 64 << 10
	// A connection of HTTP/1 ends with the request that we give up, one of
	// HTTP/2 that hangs would be used again.
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	g.base = t
	return &http.Client{Transport: g, CheckRedirect: stay}
}

// stay follows no redirect: it would lead, with all credentials, to where
// neither the client nor the operator has sent us. S3 says in a header where a
// bucket is.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// RoundTrip implements [http.RoundTripper].
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := g.policy.mayAsk(r.URL, g.bucket); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	answer, err := g.base.RoundTrip(r)
	// A request for a token, by POST, may come on the way to an object.
	object := wantsObject(r.Context()) && r.Method == http.MethodGet
	if err == nil && (!object || answer.StatusCode/100 != 2) {
		answer.Body = &bounded{body: answer.Body, share: share{of: &g.policy.lists}}
	}
	return answer, err
}

// CloseIdleConnections is what [http.Client] looks for.
func (g *guard) CloseIdleConnections() { g.base.(*http.Transport).CloseIdleConnections() }

// proxy is the operator's proxy, from the environment. Nobody could say what it
// dials for an address of a client's choice, so that goes without.
func (g *guard) proxy(r *http.Request) (*url.URL, error) {
	own := g.provider != "" && strings.HasSuffix(hostOf(r.URL), g.provider)
	if listed, err := g.policy.mayAsk(r.URL, g.bucket); err != nil || !listed && !own {
		return nil, err
	}
	environment := g.policy.proxy
	if environment == nil {
		environment = http.ProxyFromEnvironment
	}
	u, err := environment(r)
	if u != nil && err == nil {
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		if port == "" {
			port = "1080" // SOCKS
		}
		g.proxies.Store(net.JoinHostPort(u.Hostname(), port), true)
	}
	return u, err
}

func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTime, Resolver: g.policy.resolver}
	if _, proxy := g.proxies.Load(address); !proxy && !g.policy.mayDial(address, g.bucket) {
		d.Control = onlyPublic
	}
	if g.policy.connect != nil {
		return g.policy.connect(ctx, &d, network, address)
	}
	return d.DialContext(ctx, network, address)
}

// onlyPublic refuses a connection to what is not the public Internet, or is this
// machine.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !public(to.Addr()) {
		return errNotAllowed
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("look at this machine's addresses: %w", err)
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(to.Addr().AsSlice()) {
			return errNotAllowed
		}
	}
	return nil
}

// objectKey marks the context of a request for the bytes of an object, which
// have no bound.
type objectKey struct{}

func wantObject(ctx context.Context) context.Context {
	return context.WithValue(ctx, objectKey{}, true)
}

func wantsObject(ctx context.Context) bool { return ctx.Value(objectKey{}) != nil }
