package decode

import "bytes"

// Server is the kind and the version of the server that a dump is read for: what
// stands in comments for other versions is not for it. The zero value is one that
// reads all of them.
type Server struct {
	MariaDB bool
	Version int // 101114 is 10.11.14; 0: any
}

// A comment is what a comment is by how it begins.
type comment int

const (
	noComment   comment = iota
	lineComment         // up to the end of the line
	plainComment
	versionComment // for another version; one level of comments may be within
	opening        // of one whose content counts, as if it stood outside
	closing        // of such a one
)

// longestOpening is how many bytes it takes to tell: /*M!101100 and what follows.
const longestOpening = 12

// comment says what b begins with, of which there is enough or all, and how long an
// opening or a closing is. These are the rules of the servers' lexers (sql_lex.cc):
// the version has five or six digits; MariaDB passes over what is for MySQL 5.7 and
// later, and alone knows /*M!.
func (v Server) comment(b []byte) (comment, int) {
	switch {
	case b[0] == '#', len(b) > 1 && b[0] == '-' && b[1] == '-' && (len(b) == 2 || b[2] <= ' '):
		return lineComment, 0
	case bytes.HasPrefix(b, []byte("*/")):
		return closing, 2
	case !bytes.HasPrefix(b, []byte("/*")):
		return noComment, 0
	}
	n := 2
	own := n < len(b) && b[n] == 'M' && (v.MariaDB || v.Version == 0)
	if own {
		n++
	}
	if n == len(b) || b[n] != '!' {
		return plainComment, 0
	}
	n++
	digits, version := 0, 0
	for ; digits < 6 && n+digits < len(b) && digit(b[n+digits]); digits++ {
		version = 10*version + int(b[n+digits]-'0')
	}
	switch {
	case digits < 5:
		return opening, n
	case !v.reads(version, own):
		return versionComment, 0
	}
	return opening, n + digits
}

// reads says whether what is for a version is for this server.
func (v Server) reads(version int, own bool) bool {
	switch {
	case v.Version == 0:
		return version < 999999 // which there will never be, and dumps begin with
	case v.MariaDB && !own && version >= 50700 && version <= 99999:
		return false
	}
	return version <= v.Version
}

// length is that of the comment of this kind that b begins with; -1 if b does not
// show its end.
func (c comment) length(b []byte) int {
	if c == lineComment {
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			return i + 1
		}
		return -1
	}
	n := 2
	for {
		end, in := c.next(b[n:])
		switch {
		case in >= 0:
			inner := plainComment.length(b[n+in:])
			if inner < 0 {
				return -1
			}
			n += in + inner
		case end < 0:
			return -1
		default:
			return n + end + 2
		}
	}
}

// next is where in b the comment ends, or, before that, one within begins. -1: nowhere.
func (c comment) next(b []byte) (end, in int) {
	end, in = bytes.Index(b, []byte("*/")), -1
	if c != versionComment {
		return end, in
	}
	before := b
	if end >= 0 {
		before = b[:end+1] // of /*/ the slash is the beginning's
	}
	return end, bytes.Index(before, []byte("/*"))
}

// space passes over white space and comments.
func (s *sqlReader) space() error {
	for {
		b, ok := s.at(0)
		switch {
		case !ok:
			if !s.w.ended() {
				return s.w.err
			}
			return nil
		case b == ' ' || b >= '\t' && b <= '\r':
			n := 1
			for buf := s.w.buf[s.w.pos:]; n < len(buf) && (buf[n] == ' ' || buf[n] >= '\t' && buf[n] <= '\r'); n++ {
			}
			s.advance(n)
		case b == '#', b == '-', b == '/', b == '*':
			s.at(longestOpening)
			kind, n := s.server.comment(s.w.buf[s.w.pos:])
			switch kind {
			case noComment:
				return nil
			case opening, closing:
				s.advance(n)
			default:
				if err := s.passComment(kind); err != nil {
					return err
				}
			}
		default:
			return nil
		}
	}
}

// passComment moves pos behind the comment that is there.
func (s *sqlReader) passComment(kind comment) error {
	if kind == lineComment {
		s.passTo("\n")
		return nil
	}
	open := s.wrong(s.w.pos, -1, nil, errPremature)
	s.advance(2)
	for {
		end, in := kind.next(s.w.buf[s.w.pos:])
		switch {
		case in >= 0:
			s.advance(in + 2)
			if !s.passTo("*/") {
				return s.unended(open)
			}
		case end >= 0:
			s.advance(end + 2)
			return nil
		default:
			s.advance(max(len(s.w.buf)-s.w.pos-1, 0)) // the last byte may begin either
			if !s.more() {
				return s.unended(open)
			}
		}
	}
}

// unended is the error of what the file ends in, if it is the file that ends.
func (s *sqlReader) unended(open error) error {
	if !s.w.ended() {
		return s.w.err
	}
	return open
}
