package source

import "time"

// SetPatience makes a source give up sooner than the world needs.
func (s *Source) SetPatience(idle, pause time.Duration) { s.idle, s.pause = idle, pause }

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
)

// Held is how many blocks a reader keeps.
func Held(r ReaderAt) int {
	at := r.(*readerAt)
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.used.Len()
}
