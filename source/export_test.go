package source

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// SetPatience makes a source give up sooner than the world needs.
func (s *Source) SetPatience(idle, pause time.Duration) { s.idle, s.pause = idle, pause }

// SetResolver makes a policy ask another DNS server.
func (p *Policy) SetResolver(r *net.Resolver) { p.resolver = r }

// SetConnect makes a policy dial in another way.
func (p *Policy) SetConnect(f func(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error)) {
	p.connect = f
}

// SetProxy gives a policy another environment.
func (p *Policy) SetProxy(f func(*http.Request) (*url.URL, error)) { p.proxy = f }

// Public says whether an address may be asked without being listed.
func Public(a netip.Addr) bool { return public(a) }

// OwnCredentials says whether the node's are for a location.
func (p *Policy) OwnCredentials(uri string) (bool, error) {
	at, err := Parse(uri)
	return err == nil && p.ownCredentials(at), err
}

// MayAsk says what an address is to a policy.
func (p *Policy) MayAsk(u *url.URL, bucket string) (listed bool, err error) {
	return p.mayAsk(u, bucket)
}

// Match and Prefix are what a glob does.
func Match(pattern, name string, questionMark bool) (bool, error) {
	g, err := newGlob(pattern, questionMark)
	return err == nil && g.match(name), err
}

func Prefix(pattern string, questionMark bool) string {
	g, _ := newGlob(pattern, questionMark)
	return g.prefix()
}

// Parameters and Where are what a location was parsed into.
func (l *Location) Parameters() map[string]string { return l.params }

func (l *Location) Where() (scheme, bucket, dir, file string) {
	return l.scheme, l.bucket, l.dir, l.file
}

// The bounds that tests count against.
const (
	Resumes   = resumes
	BlockSize = blockSize
	Blocks    = blocks
	MostFiles = mostFiles
	NotThere  = notThere
	BadFile   = badFile
)

// Held is how many blocks a reader keeps.
func Held(r ReaderAt) int {
	at := r.(*readerAt)
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.used.Len()
}

// ListMemory is what lists have taken of the policy's.
func (p *Policy) ListMemory() int64 { return p.lists.taken }
