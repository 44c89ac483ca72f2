package source

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"
)

// Rules are what an operator lets IMPORT INTO read on a node, as typed.
type Rules struct {
	Dirs      []string // absolute folders of the node's disk; none: no file of it is read
	Endpoints []string // host[:port] or URL prefixes that a location's endpoint may name beside public addresses under https
	Ambient   []string // as s3://bucket/folder: where the node's own cloud credentials may be used
	// StoreDir asks for the folder that the store reads files from, see
	// [StoreDir]; nil: no such limit.
	StoreDir func(context.Context) (dir string, limited bool, err error)
	Log      *zap.Logger // gets what clients are not told; may be nil
}

// A Policy is rules that were read. Nil is that of no rules at all: no file, no
// address but public ones under https, and nobody's credentials but those of the
// location.
type Policy struct {
	dirs      []string // clean; the longest first, so that one in another is found
	endpoints []endpoint
	ambient   []place
	storeDir  func(context.Context) (string, bool, error)
	log       *zap.Logger
	lists     memory
	// For tests; nil is the system's.
	resolver *net.Resolver
	connect  func(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error)
	proxy    func(*http.Request) (*url.URL, error)
}

// NewPolicy reads the rules. Its errors say which one cannot be meant.
func NewPolicy(r Rules) (*Policy, error) {
	p := &Policy{storeDir: r.StoreDir, log: r.Log}
	for _, dir := range r.Dirs {
		if !filepath.IsAbs(dir) {
			return nil, fmt.Errorf("--import-dir %q: absolute paths of folders", dir)
		}
		p.dirs = append(p.dirs, filepath.Clean(dir))
	}
	slices.SortStableFunc(p.dirs, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, text := range r.Endpoints {
		e, err := parseEndpoint(text)
		if err != nil {
			return nil, err
		}
		p.endpoints = append(p.endpoints, e)
	}
	for _, text := range r.Ambient {
		at, err := parsePlace(text)
		if err != nil {
			return nil, err
		}
		p.ambient = append(p.ambient, at)
	}
	return p, nil
}

// strictest stands for a policy that is nil.
var strictest = &Policy{}

func (p *Policy) orStrictest() *Policy {
	if p == nil {
		return strictest
	}
	return p
}

// tell writes to the node's log what a client is not to know.
func (p *Policy) tell(what string, at fmt.Stringer, reason string) {
	if p.log != nil {
		p.log.Warn(what, zap.Stringer("location", at), zap.String("reason", reason))
	}
}

// place is a bucket, or a folder or object in it.
type place struct{ scheme, bucket, path string }

func parsePlace(text string) (place, error) {
	u, err := url.Parse(text)
	if err != nil || schemes[u.Scheme] == "" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return place{}, fmt.Errorf("--import-ambient-credentials %q: buckets and folders, as in s3://bucket/folder", MaskText(text))
	}
	return place{schemes[u.Scheme], u.Host, strings.Trim(u.Path, "/")}, nil
}

// holds says whether all files of the location are in the place.
func (a place) holds(at *Location) bool {
	if a.scheme != at.scheme || a.bucket != at.bucket || hasDots(at.dir+at.file) {
		return false
	}
	return a.path == "" || strings.HasPrefix(at.dir, a.path+"/") || !at.many && at.dir+at.file == a.path
}

// hasDots says whether a path has a segment that may mean another folder to
// somebody on its way.
func hasDots(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// ownCredentials says whether a location that brings no credentials is read with
// those of the node. They go to a provider's own address, or to one that the
// operator has listed, and no further than that: what a client adds to its path, or
// behind it, would make another place of the one that he may read.
func (p *Policy) ownCredentials(at *Location) bool {
	if !slices.ContainsFunc(p.ambient, func(a place) bool { return a.holds(at) }) {
		return false
	}
	if at.params["endpoint"] == "" {
		return true
	}
	u, err := url.Parse(at.params["endpoint"])
	if err != nil || u.User != nil || u.ForceQuery || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	return slices.ContainsFunc(p.endpoints, func(e endpoint) bool {
		return e.at(hostOf(u), portOf(u), "") && e.covers(u) && (path == e.path || e.path == "" && path == at.apiPath())
	})
}

// apiPath is what addresses of the location's kind of store have in front of all
// buckets, even where an operator lists the host alone.
func (l *Location) apiPath() string {
	switch l.scheme {
	case onGCS:
		return "/storage/v1"
	case onAzure: // an emulator has the account there
		return "/" + firstOf(l.params["account-name"], os.Getenv("AZURE_STORAGE_ACCOUNT"))
	}
	return ""
}

// endpoint says whether the address that a location names may be asked, and
// whether the operator has listed it.
func (p *Policy) endpoint(at *Location) (listed bool, err error) {
	u, err := url.Parse(at.params["endpoint"])
	if err != nil {
		return false, errNotAllowed
	}
	return p.mayAsk(u, "")
}
