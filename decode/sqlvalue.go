package decode

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// value reads the literal at p and returns where it ends, -1 if the window does not
// show its end.
func (s *sqlReader) value(p int) (int, error) {
	buf := s.w.buf
	// A prefix or a keyword may go on beyond the window: what is decided here needs a few bytes.
	if p >= len(buf) || !s.w.ended() && len(buf)-p < longestPrefix {
		return s.short()
	}
	switch b := buf[p]; {
	case b == '\'' || b == '"':
		return s.text(p, Text, s.conv, s.refused)
	case b == '0' && p+1 < len(buf) && (buf[p+1] == 'x' || buf[p+1] == 'b'):
		return s.zero(p, Bytes)
	case b >= '0' && b <= '9' || b == '-' || b == '+' || b == '.':
		return s.number(p)
	case (b == 'x' || b == 'X' || b == 'b' || b == 'B') && p+1 < len(buf) && buf[p+1] == '\'':
		return s.digits(p+2, b|0x20, s.literal(b))
	case (b == 'n' || b == 'N') && p+1 < len(buf) && buf[p+1] == '\'':
		return s.text(p+1, Text, nil, nil)
	}
	end := p
	for end < len(buf) && wordByte(buf[end]) {
		end++
	}
	word := buf[p:end]
	switch {
	case equalFold(word, "null"):
		s.fields = append(s.fields, Field{Kind: Null})
		return end, nil
	case equalFold(word, "true"):
		s.fields = append(s.fields, Field{Kind: Number, Value: one})
		return end, nil
	case equalFold(word, "false"):
		s.fields = append(s.fields, Field{Kind: Number, Value: zero})
		return end, nil
	case equalFold(word, "convert") && end < len(buf) && buf[end] == '(':
		return s.converted(p, end+1)
	case len(word) > 1 && word[0] == '_':
		return s.introduced(p, end)
	}
	return -1, s.wrong(p, len(s.fields), s.shown(p), errNotLiteral)
}

var (
	one, zero     = []byte("1"), []byte("0")
	errNotLiteral = errors.New("syntax error: a value that is no literal")
)

// longestPrefix: "_utf8mb4 0x" and the like.
const longestPrefix = 16

func wordByte(b byte) bool {
	return b == '_' || b == '$' || b >= 0x80 || b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
}

func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		if b[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// introduced reads a literal with a character set before it.
func (s *sqlReader) introduced(p, end int) (int, error) {
	buf := s.w.buf
	name := buf[p+1 : end]
	lit := s.blank(end)
	if lit+1 >= len(buf) {
		return s.short()
	}
	kind, conv := Text, (*charset)(nil)
	if equalFold(name, "binary") {
		kind = Octets
	} else if !equalFold(name, "utf8mb4") {
		var err error
		if conv, err = newCharset(string(name)); err != nil || conv != nil && conv.length != nil {
			return -1, s.wrong(p, len(s.fields), s.shown(p), fmt.Errorf("text in character set %s cannot be read", name))
		}
	}
	switch b := buf[lit]; {
	case b == '\'' || b == '"':
		return s.text(lit, kind, conv, nil)
	case kind == Octets && b == '0' && (buf[lit+1] == 'x' || buf[lit+1] == 'b'):
		return s.zero(lit, kind)
	case kind == Octets && (b|0x20 == 'x' || b|0x20 == 'b') && buf[lit+1] == '\'':
		return s.digits(lit+2, b|0x20, kind)
	}
	return -1, s.wrong(p, len(s.fields), s.shown(p), errNotLiteral)
}

// converted reads the text in CONVERT('…' USING UTF8MB4), as mydumper writes JSON.
func (s *sqlReader) converted(p, arg int) (int, error) {
	buf := s.w.buf
	arg = s.blank(arg)
	if arg >= len(buf) {
		return s.short()
	}
	if buf[arg] != '\'' && buf[arg] != '"' {
		return -1, s.wrong(p, len(s.fields), s.shown(p), errNotLiteral)
	}
	end, err := s.text(arg, Text, nil, nil)
	if end < 0 || err != nil {
		return end, err
	}
	for _, want := range [...]string{"using", "utf8mb4", ")"} {
		end = s.blank(end)
		if end+len(want) > len(buf) {
			return s.short()
		}
		if !strings.EqualFold(string(buf[end:end+len(want)]), want) {
			return -1, s.wrong(p, len(s.fields)-1, s.shown(p), errNotLiteral)
		}
		end += len(want)
	}
	return end, nil
}

// number reads an integer, a decimal or a float. It is handed on as it is written.
func (s *sqlReader) number(p int) (int, error) {
	buf, i := s.w.buf, p
	if buf[i] == '-' || buf[i] == '+' {
		i++
	}
	digits := 0
	run := func() {
		for i < len(buf) && buf[i] >= '0' && buf[i] <= '9' {
			i++
			digits++
		}
	}
	run()
	if i < len(buf) && buf[i] == '.' {
		i++
		run()
	}
	if digits > 0 && i < len(buf) && buf[i]|0x20 == 'e' {
		i++
		if i < len(buf) && (buf[i] == '-' || buf[i] == '+') {
			i++
		}
		digits = 0
		run()
	}
	if i >= len(buf) {
		return s.short()
	}
	if digits == 0 || wordByte(buf[i]) {
		return -1, s.wrong(p, len(s.fields), s.shown(p), errNotLiteral)
	}
	s.fields = append(s.fields, Field{Kind: Number, Value: buf[p:i]})
	return i, nil
}

// literal is the kind of what stands in quotes behind x or b. To MariaDB x'31' is the
// text 1, and 0x31 the number 49 where a number is wanted; to MySQL both are.
func (s *sqlReader) literal(base byte) Kind {
	if s.server.MariaDB && base|0x20 == 'x' {
		return Octets
	}
	return Bytes
}

// zero reads 0x… or 0b….
func (s *sqlReader) zero(p int, kind Kind) (int, error) {
	buf, end := s.w.buf, p+2
	for end < len(buf) && wordByte(buf[end]) {
		end++
	}
	if end == len(buf) {
		return s.short()
	}
	if end == p+2 {
		return -1, s.wrong(p, len(s.fields), s.shown(p), errNotLiteral)
	}
	return end, s.bits(p, buf[p+2:end], buf[p+1], kind)
}

// digits reads x'…' or b'…' from behind the quote on.
func (s *sqlReader) digits(p int, base byte, kind Kind) (int, error) {
	buf := s.w.buf
	i := bytes.IndexByte(buf[p:], '\'')
	if i < 0 {
		return s.short()
	}
	if base == 'x' && i%2 != 0 {
		return -1, s.wrong(p-2, len(s.fields), s.shown(p-2), errors.New("syntax error: an odd number of hexadecimal digits"))
	}
	return p + i + 1, s.bits(p-2, buf[p:p+i], base, kind)
}

// bits appends a field of the bytes that digits stand for, the last of them in the last bit.
func (s *sqlReader) bits(p int, digits []byte, base byte, kind Kind) error {
	from := len(s.scratch)
	bad := false
	if base == 'x' {
		if len(digits)%2 != 0 {
			var first [1]byte
			_, err := hex.Decode(first[:], []byte{'0', digits[0]})
			bad = err != nil
			s.scratch = append(s.scratch, first[0])
			digits = digits[1:]
		}
		var err error
		s.scratch, err = hex.AppendDecode(s.scratch, digits)
		bad = bad || err != nil
	} else {
		size := (len(digits) + 7) / 8
		s.scratch = append(s.scratch, make([]byte, size)...)
		for i, d := range digits {
			bad = bad || d != '0' && d != '1'
			bit := len(digits) - 1 - i
			s.scratch[from+size-1-bit/8] |= d & 1 << (bit % 8)
		}
	}
	if bad {
		return s.wrong(p, len(s.fields), s.shown(p), errNotLiteral)
	}
	s.fields = append(s.fields, Field{Kind: kind, Value: s.scratch[from:len(s.scratch):len(s.scratch)]})
	return nil
}

// text reads the string whose opening quote is at p. Of refused text what is not ASCII
// is an error.
func (s *sqlReader) text(p int, kind Kind, conv *charset, refused error) (int, error) {
	buf, quote := s.w.buf, s.w.buf[p]
	from := p + 1
	cooked := false
	end := from
	for {
		i := bytes.IndexByte(buf[end:], quote)
		if i < 0 {
			return s.short()
		}
		i += end
		if !s.now.NoBackslash {
			if s.nextEsc < end {
				s.nextEsc = next(buf, end, '\\')
			}
			if s.nextEsc < i {
				cooked = true
				if end = s.nextEsc + 2; end > len(buf) {
					return s.short()
				}
				continue
			}
		}
		end = i
		if end+1 == len(buf) && !s.w.ended() {
			return -1, nil
		}
		if end+1 < len(buf) && buf[end+1] == quote {
			cooked = true
			end += 2
			continue
		}
		break
	}
	value := buf[from:end]
	if (conv != nil || refused != nil) && !ascii(value) {
		if refused != nil {
			return -1, s.wrong(p, len(s.fields), value, refused)
		}
		at := len(s.scratch)
		s.scratch, _ = conv.convert(s.scratch, value) // of latin1, which has every byte
		value = s.scratch[at:len(s.scratch):len(s.scratch)]
	}
	if cooked {
		at := len(s.scratch)
		s.scratch = s.cook(s.scratch, value, quote)
		value = s.scratch[at:len(s.scratch):len(s.scratch)]
	}
	s.fields = append(s.fields, Field{Kind: kind, Value: value})
	return end + 1, nil
}

// cook appends a string's content without escapes and doubled quotes. \% and \_ stay
// as they are, which is what they mean outside of patterns.
func (s *sqlReader) cook(dst, content []byte, quote byte) []byte {
	for i := 0; i < len(content); i++ {
		b := content[i]
		switch {
		case b == quote:
			i++
		case b == '\\' && !s.now.NoBackslash && i+1 < len(content):
			i++
			if content[i] == '%' || content[i] == '_' {
				dst = append(dst, '\\')
			}
			b = unescaped[content[i]]
		}
		dst = append(dst, b)
	}
	return dst
}
