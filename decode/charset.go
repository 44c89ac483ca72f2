package decode

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charset converts a file's text to utf8mb4. Sets that are left as they are
// (utf8mb4, binary, ascii) have none: what a column cannot store is for the server to refuse.
type charset struct {
	name string
	// length is how many bytes the character at the beginning of b has; nil where it is always 1.
	length func(b []byte) int
	// append converts one character, and reports whether there is such a character.
	append func(dst, char []byte) ([]byte, bool)
	encode func(s string) (string, error)
}

// newCharset returns nil for a set that is not converted.
func newCharset(name string) (*charset, error) {
	switch strings.ToLower(name) {
	case "", "utf8mb4", "utf8", "utf8mb3", "binary", "ascii":
		return nil, nil
	case "latin1":
		return latin1, nil
	case "gbk":
		return gbk, nil
	case "gb18030":
		return gb18030, nil
	}
	return nil, fmt.Errorf("character set %s is not known", name)
}

// convert appends text as utf8mb4.
func (c *charset) convert(dst, text []byte) ([]byte, error) {
	for i := 0; i < len(text); {
		from := i
		for i < len(text) && text[i] < utf8.RuneSelf {
			i++
		}
		dst = append(dst, text[from:i]...)
		if i == len(text) {
			break
		}
		n := 1
		if c.length != nil {
			n = c.length(text[i:])
		}
		var ok bool
		if dst, ok = c.append(dst, text[i:i+n]); !ok {
			return dst, &CharsetError{Charset: c.name, Bytes: hexBytes(text[i:])}
		}
		i += n
	}
	return dst, nil
}

// hexBytes writes bytes as MySQL's error 1366 does.
func hexBytes(b []byte) string {
	const shown = 6
	var s strings.Builder
	for i, c := range b {
		if i == shown {
			s.WriteString("...")
			break
		}
		fmt.Fprintf(&s, `\x%02X`, c)
	}
	return s.String()
}

// ascii says whether no byte of b is above 127.
func ascii(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// latin1 is MySQL's: Windows-1252, and the five codes that it leaves free stand for
// the control characters of the same number.
var latin1 = &charset{
	name: "latin1",
	append: func(dst, char []byte) ([]byte, bool) {
		return utf8.AppendRune(dst, latin1Runes[char[0]]), true
	},
	encode: func(s string) (string, error) {
		var out []byte
		for _, r := range s {
			b, ok := byte(r), r < utf8.RuneSelf
			for c := 0x80; c <= 0xff && !ok; c++ {
				b, ok = byte(c), latin1Runes[c] == r
			}
			if !ok {
				return "", fmt.Errorf("latin1 has no %q", r)
			}
			out = append(out, b)
		}
		return string(out), nil
	},
}

var latin1Runes = func() (t [256]rune) {
	for b := range t {
		if t[b] = charmap.Windows1252.DecodeByte(byte(b)); t[b] == utf8.RuneError {
			t[b] = rune(b)
		}
	}
	return t
}()

var gbk = &charset{
	name:   "gbk",
	length: gbkLength,
	append: twoBytes(simplifiedchinese.GBK),
	encode: func(s string) (string, error) { return simplifiedchinese.GBK.NewEncoder().String(s) },
}

var gb18030 = &charset{
	name: "gb18030",
	length: func(b []byte) int {
		if len(b) >= 4 && lead(b[0]) && digit(b[1]) && lead(b[2]) && digit(b[3]) {
			return 4
		}
		return gbkLength(b)
	},
	append: func() func(dst, char []byte) ([]byte, bool) {
		two := twoBytes(simplifiedchinese.GB18030)
		return func(dst, char []byte) ([]byte, bool) {
			if len(char) <= 2 {
				return two(dst, char)
			}
			if string(char) == "\x84\x31\xa4\x37" {
				return append(dst, "\uFFFD"...), true // the one that is meant
			}
			r := decodeOne(simplifiedchinese.GB18030, char)
			return utf8.AppendRune(dst, r), r != utf8.RuneError
		}
	}(),
	encode: func(s string) (string, error) { return simplifiedchinese.GB18030.NewEncoder().String(s) },
}

func lead(b byte) bool  { return b >= 0x81 && b <= 0xfe }
func digit(b byte) bool { return b >= '0' && b <= '9' }

func gbkLength(b []byte) int {
	if len(b) >= 2 && lead(b[0]) && b[1] >= 0x40 && b[1] != 0x7f && b[1] != 0xff {
		return 2
	}
	return 1
}

// twoBytes converts characters of up to two bytes, by a table made at first use.
func twoBytes(e encoding.Encoding) func(dst, char []byte) ([]byte, bool) {
	table := sync.OnceValue(func() *[1 << 15]uint16 {
		t := new([1 << 15]uint16)
		for i := range t {
			b := [2]byte{0x80 | byte(i>>8), byte(i)}
			if n := gbkLength(b[:]); n == 2 {
				if r := decodeOne(e, b[:]); r <= 0xffff { // all are in the basic plane
					t[i] = uint16(r)
				}
			}
		}
		return t
	})
	return func(dst, char []byte) ([]byte, bool) {
		var r rune
		if len(char) == 2 {
			r = rune(table()[int(char[0]&0x7f)<<8|int(char[1])])
		} else {
			r = decodeOne(e, char)
		}
		return utf8.AppendRune(dst, r), r != utf8.RuneError && r != 0
	}
}

// decodeOne returns utf8.RuneError unless char is exactly one character.
func decodeOne(e encoding.Encoding, char []byte) rune {
	text, err := e.NewDecoder().Bytes(char)
	if err != nil {
		return utf8.RuneError
	}
	r, n := utf8.DecodeRune(text)
	if n != len(text) {
		return utf8.RuneError
	}
	return r
}
