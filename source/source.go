package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"dxfproxy/dxf"
)

// A File is one file or object of a location.
type File struct {
	Path string // absolute on disk; else the key, without the bucket
	Size int64  // bytes as stored
	// Tag is the version of an object, as its store calls it (ETag,
	// generation); empty on disk, where nodes may hold copies of one file.
	Tag string
}

// bucket is what the stores have in common.
type bucket interface {
	// list calls found for all objects whose keys begin with prefix and have
	// no "/" behind it, page by page, until it returns an error.
	list(ctx context.Context, prefix string, found func(File) error) error
	// stat asks what a key holds now.
	stat(ctx context.Context, key string) (File, error)
	// read begins to read length bytes (all, if negative) at offset, of the
	// version that tag names, if it names one. It tells what it reads. Unlike
	// the others it asks once: the reader knows how to go on.
	read(ctx context.Context, key, tag string, offset, length int64) (io.ReadCloser, File, error)
}

// Patience with a store. Bytes may come as slowly as they like; what counts is
// the time in which none came at all.
const (
	idleTime   = time.Minute            // without a byte: the connection is taken for broken
	firstPause = 100 * time.Millisecond // before a reader asks again; doubles up to lastPause
	lastPause  = 10 * time.Second
	resumes    = 8 // times in a row that a reader asks again without having got a byte: 25 s and what the requests take
	requests   = 5 // times that any other request is sent
)

// A Source is an opened location. It is safe for use by several goroutines.
type Source struct {
	at     *Location
	policy *Policy
	disk   *disk  // nil with object storage
	bucket bucket // nil on disk, as is client
	client *http.Client
	// anonymous: the location has no credentials, and may not have the node's.
	anonymous bool
	share     share // of the lists' memory, until the source is closed

	idle, pause time.Duration
}

// Open makes a location ready to be listed and read, if the policy lets it. On
// disk its directory must be in one of the policy's folders (1290 if not) and
// exist (8158); with object storage the address must be one that may be asked,
// the credentials must be there, and the bucket where the store lets us ask (8159
// if not). The context is that of the call; the source lives on.
func Open(ctx context.Context, policy *Policy, uri string) (*Source, error) {
	at, err := Parse(uri)
	if err != nil {
		return nil, err
	}
	s := &Source{at: at, policy: policy.orStrictest(), idle: idleTime, pause: firstPause}
	s.share.of = &s.policy.lists
	if at.Local() {
		s.disk, err = s.policy.openDisk(ctx, at.dir)
		return s, err
	}
	if at.params["endpoint"] != "" {
		if _, err := s.policy.endpoint(at); err != nil {
			return nil, s.unreachable(err)
		}
	}
	s.client = newClient(s.policy, at)
	limited, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	own := s.policy.ownCredentials(at)
	switch at.scheme {
	case onS3, onKS3:
		s.bucket, s.anonymous, err = newS3(limited, at, s.client, own)
	case onGCS:
		s.bucket, s.anonymous, err = newGCS(limited, s.policy, at, s.client, own)
	case onAzure:
		s.bucket, err = newAzure(limited, at, s.client, own)
	}
	if err != nil {
		s.Close()
		return nil, s.refusal(ctx, err)
	}
	return s, nil
}

// refusal is the error of a source that could not be opened: 8159 whatever the
// reason, as in TiDB.
func (s *Source) refusal(ctx context.Context, err error) error {
	var known *dxf.Error
	var said *storeError
	var own *ownError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &known):
		return err
	case errors.As(err, &own):
		s.policy.tell("the node's own credentials cannot be used for an import", s, s.reason(err))
		return &passing{noAccess(noOwn)}
	case !errors.As(err, &said):
		return s.unreachable(err)
	case !said.permanent():
		return &passing{noAccess(s.reason(err))}
	}
	return noAccess(s.reason(err) + s.hint(err))
}

// Close gives back the source's idle connections, or its directory. Readers are
// closed on their own.
func (s *Source) Close() {
	s.share.release()
	if s.disk != nil {
		_ = s.disk.root.Close() // nothing was written
	}
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
}

// String is the location with its secrets masked.
func (s *Source) String() string { return s.at.String() }

// name is a file's name for people.
func (s *Source) name(path string) string {
	if s.at.Local() {
		return path
	}
	return s.at.scheme + "://" + s.at.bucket + "/" + path
}

// List is all files that the location matches, in the order of their names'
// bytes, empty ones too. A name without wildcards must exist (8160); a pattern
// may match nothing. Directories, and objects that stand for one, are no files.
func (s *Source) List(ctx context.Context) ([]File, error) {
	all := &listing{location: s.at.uri, share: &s.share}
	if !s.at.many {
		f, err := s.one(ctx)
		if err == nil {
			err = all.add(f)
		}
		return all.files, err
	}
	if s.at.Local() {
		err := s.disk.list(ctx, s.at, all)
		return all.sorted(), err
	}
	limited, cancel := context.WithTimeoutCause(ctx, listTime, errListTime)
	defer cancel()
	err := s.bucket.list(limited, s.at.prefix(), func(f File) error {
		if err := all.seen(); err != nil || !s.at.holds(f.Path) {
			return err
		}
		return all.add(f)
	})
	switch {
	case err == nil:
		return all.sorted(), nil
	case ctx.Err() == nil && limited.Err() != nil:
		return nil, cantRead(fmt.Sprintf("%s: %v", s.at.uri, errListTime), whileWalking)
	}
	return nil, s.clientError(ctx, err, "", whileWalking)
}

// errListTime is the end of a list that takes too long.
var errListTime = fmt.Errorf("the list was not complete after %v", listTime)

// one is the file of a location that has no pattern.
func (s *Source) one(ctx context.Context) (File, error) {
	if s.at.Local() {
		return s.disk.stat(s.at.file)
	}
	if s.at.file == "" {
		return File{}, cantRead("no file is named in "+s.at.uri, checkLocation)
	}
	return s.stat(ctx, s.at.dir+s.at.file)
}

// stat asks the store what a key holds now, for a client.
func (s *Source) stat(ctx context.Context, key string) (File, error) {
	limited, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	f, err := s.bucket.stat(limited, key)
	return f, s.clientError(ctx, err, key, checkLocation)
}

// holds says whether a path is one of the location's.
func (l *Location) holds(path string) bool {
	dir := l.dir
	if l.Local() && dir != "/" {
		dir += "/"
	}
	name, ok := strings.CutPrefix(path, dir)
	if !ok {
		return false
	}
	return !l.many && name == l.file || l.many && l.glob.match(name)
}

// Open reads length bytes of a file as they are stored, from offset on; all
// that follow, if length is negative. See [Source.OpenFile].
func (s *Source) Open(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error) {
	return s.OpenFile(ctx, File{Path: path, Size: -1}, offset, length)
}

// OpenFile is Open for a file that must still be what it was when it was
// listed: of the same size, if that is not negative, and the same version, if
// the tag is not empty. The reader ends with io.EOF after exactly the bytes
// asked for, or the last of the file. It goes on in a new connection where one
// broke or stalled, and fails with 8160 when the object was replaced or removed
// meanwhile. The context ends the reader, too.
func (s *Source) OpenFile(ctx context.Context, f File, offset, length int64) (io.ReadCloser, error) {
	if !s.at.holds(f.Path) {
		return nil, cantRead(fmt.Sprintf("%s is no file of %s", s.name(f.Path), s.at), checkLocation)
	}
	if s.at.Local() {
		return s.disk.openFile(ctx, f, offset, length)
	}
	r := &reader{source: s, ctx: ctx, file: f, next: offset, end: -1}
	if length >= 0 {
		r.end = offset + length
	}
	if err := r.start(); err != nil {
		return nil, err
	}
	return r, nil
}

// changed says that a file is not what it was.
func (s *Source) changed(path string) error { return changedFile(s.name(path)) }

func changedFile(name string) error {
	return cantRead(name+" changed while it was imported", "An import reads one version of every file")
}

// errIdle is the cause of a connection that we gave up.
var errIdle = errors.New("no data for too long")
