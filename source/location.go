package source

import (
	"errors"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dxfproxy/dxf"
)

// Schemes of a location. The empty one is the node's disk.
const (
	onDisk  = ""
	onS3    = "s3"
	onKS3   = "ks3"
	onGCS   = "gs"
	onAzure = "azure"
)

// schemes are those of object stores, by the names they have in a location.
var schemes = map[string]string{"s3": onS3, "ks3": onKS3, "gs": onGCS, "gcs": onGCS, "azure": onAzure, "azblob": onAzure}

// diskSuffixes are what a file of a server's disk must end with, so that nobody
// reads /etc/passwd into a table.
var diskSuffixes = []string{".csv", ".sql", ".parquet", ".gz", ".gzip", ".zstd", ".zst", ".snappy"}

// A Location is a place that was parsed and found well formed: nothing has been
// asked of anybody yet.
type Location struct {
	scheme string // one of the above
	bucket string // or container; empty on disk
	dir    string // on disk the directory, else the key up to the last "/", with it; read literally
	file   string // what remains: one name, or a pattern
	many   bool   // file is a pattern
	glob   glob
	params parameters
	uri    string // masked
}

// Local says whether the location is a path of the node's own disk.
func (l *Location) Local() bool { return l.scheme == onDisk }

// String is the location with its secrets masked.
func (l *Location) String() string { return l.uri }

// IsLocal says whether the location names the disk of a server. It may still be
// one that [Parse] refuses.
func IsLocal(uri string) (bool, error) {
	if strings.HasPrefix(uri, "/") {
		return true, nil
	}
	u, err := parseURL(uri)
	if err != nil {
		return false, err
	}
	return localScheme(u), nil
}

// NeedsFile says whether reading the location asks for the privilege FILE: it is
// on the disk of a server, or names a file of it. It may still be one that
// [Parse] refuses.
func NeedsFile(uri string) (bool, error) {
	local, err := IsLocal(uri)
	if err != nil || local {
		return local, err
	}
	u, err := parseURL(uri)
	if err != nil {
		return false, err
	}
	_, file := newParameters(u)["credentials-file"]
	return file, nil
}

func localScheme(u *url.URL) bool {
	return u.Scheme == "" || u.Scheme == "file" || u.Scheme == "local"
}

// Parse takes a location apart. Errors are *dxf.Error 8158, and 8156 for an
// empty one.
func Parse(uri string) (*Location, error) {
	if uri == "" {
		return nil, &dxf.Error{
			Code: 8156, State: "HY000", Class: "executor",
			Message: "The value of INFILE must not be empty when LOAD DATA from LOCAL",
		}
	}
	if strings.HasPrefix(uri, "/") {
		return parsePath(uri)
	}
	u, err := parseURL(uri)
	if err != nil {
		return nil, err
	}
	if localScheme(u) {
		// TiDB wants a path and nothing else, although it knows the schemes.
		return nil, invalidURI("file location should be absolute path when import from server disk")
	}
	l := &Location{bucket: u.Host, uri: Mask(uri)}
	l.dir, l.file = path.Split(strings.Trim(u.Path, "/"))
	if l.glob, err = newGlob(l.file, false); err != nil {
		return nil, invalidURI("Glob pattern error: %v", err)
	}
	l.many = l.globbed()
	kinds := map[string]string{onS3: "s3", onKS3: "s3", onGCS: "gcs", onAzure: "azblob"}
	scheme, ok := schemes[u.Scheme]
	if !ok {
		return nil, invalidURI("storage %s not support yet", u.Scheme)
	}
	l.scheme = scheme
	if l.bucket == "" {
		return nil, invalidURI("please specify the bucket for %s in %s", kinds[scheme], l.uri)
	}
	l.params = newParameters(u)
	return l, l.checkParameters()
}

// parsePath takes an absolute path of a disk apart, which is no URI: nothing in
// it is escaped.
func parsePath(name string) (*Location, error) {
	l := &Location{scheme: onDisk, uri: name}
	if !slices.Contains(diskSuffixes, strings.ToLower(filepath.Ext(name))) {
		return nil, invalidURI("the file suffix is not supported when import from server disk")
	}
	if slices.Contains(strings.Split(name, "/"), "..") {
		return nil, invalidURI("file location should not contain .. when import from server disk")
	}
	l.dir, l.file = filepath.Dir(name), filepath.Base(name)
	var err error
	if l.glob, err = newGlob(l.file, true); err != nil {
		return nil, invalidURI("Glob pattern error: %v", err)
	}
	l.many = strings.ContainsAny(l.file, "*?[")
	return l, nil
}

// parseURL reads a URI. "+" is a plus and no space: secret keys have it.
func parseURL(uri string) (*url.URL, error) {
	u, err := url.Parse(strings.ReplaceAll(uri, "+", "%2B"))
	var parse *url.Error
	if errors.As(err, &parse) {
		return nil, invalidURI("parse %q: %v", Mask(uri), parse.Err)
	}
	return u, err
}

// globbed says whether the file name is a pattern in TiDB too, where ? is none.
func (l *Location) globbed() bool { return strings.ContainsAny(l.file, "*[") }

// prefix is what the keys of all files of the location begin with.
func (l *Location) prefix() string {
	if l.many {
		return l.dir + l.glob.prefix()
	}
	return l.dir + l.file
}

// parameters are those of a URI, by their normal names.
type parameters map[string]string

func newParameters(u *url.URL) parameters {
	p := parameters{}
	query := u.Query()
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names) // of two spellings of one name the same one wins every time
	for _, name := range names {
		p[parameterName(name)] = query[name][0]
	}
	return p
}

// flag is a boolean parameter; what is none counts as not given.
func (p parameters) flag(name string, otherwise bool) bool {
	if value, err := strconv.ParseBool(p[name]); err == nil {
		return value
	}
	return otherwise
}

// secrets are the values that must not be shown.
func (l *Location) secrets() []string {
	var secrets []string
	for name, value := range l.params {
		if secretName(name) && value != "" {
			secrets = append(secrets, value)
		}
	}
	return secrets
}

// hostLabel is what may stand between two dots of a host name, or nothing.
var hostLabel = regexp.MustCompile(`^[A-Za-z0-9-]{0,63}$`)

// checkParameters finds what contradicts itself.
func (l *Location) checkParameters() error {
	p := l.params
	if endpoint := p["endpoint"]; endpoint != "" {
		u, err := url.Parse(endpoint)
		var parse *url.Error
		switch {
		case errors.As(err, &parse):
			return invalidURI("parse %q: %v", MaskText(endpoint), parse.Err)
		case u.Scheme == "":
			return invalidURI("scheme not found in endpoint")
		case u.Host == "":
			return invalidURI("host not found in endpoint")
		}
	}
	// Where no endpoint is named these are part of the provider's host name.
	if p["endpoint"] == "" && (!hostLabel.MatchString(p["region"]) || !hostLabel.MatchString(p["account-name"])) {
		return invalidURI("region and account_name are letters, digits and -")
	}
	switch l.scheme {
	case onS3, onKS3:
		if p["access-key"] == "" && p["secret-access-key"] != "" {
			return invalidURI("access_key not found")
		}
		if p["access-key"] != "" && p["secret-access-key"] == "" {
			return invalidURI("secret_access_key not found")
		}
		if l.scheme == onKS3 && p["endpoint"] == "" {
			return invalidURI("please specify the endpoint for ks3 in %s", l.uri)
		}
	case onAzure:
		if p["encryption-key"] != "" && p["encryption-scope"] != "" {
			return invalidURI("Undefined input: There are both encryption-scope and customer provided key. " +
				"Please select only one to encrypt blobs")
		}
	}
	return nil
}
