package decode

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

// clientCharsets are the character sets that a client's statement may come in, by the
// names that MariaDB and MySQL have for them; beside those that are UTF-8, and those
// that files may be in.
var clientCharsets = map[string]encoding.Encoding{
	"latin2": charmap.ISO8859_2, "latin5": charmap.ISO8859_9, "latin7": charmap.ISO8859_13,
	"greek": charmap.ISO8859_7, "hebrew": charmap.ISO8859_8, "koi8r": charmap.KOI8R, "koi8u": charmap.KOI8U,
	"cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "cp866": charmap.CodePage866,
	"cp1250": charmap.Windows1250, "cp1251": charmap.Windows1251, "cp1256": charmap.Windows1256, "cp1257": charmap.Windows1257,
	"macroman": charmap.Macintosh, "tis620": charmap.Windows874,
	"sjis": japanese.ShiftJIS, "cp932": japanese.ShiftJIS, "ujis": japanese.EUCJP, "eucjpms": japanese.EUCJP,
	"euckr": korean.EUCKR, "gb2312": simplifiedchinese.GBK, "big5": traditionalchinese.Big5,
}

// ToUTF8 gives a client's text in UTF-8. A *CharsetError says that the text has bytes
// which are no characters of its set, another error that the set is not known here.
func ToUTF8(name string, text []byte) ([]byte, error) {
	if name != "swe7" && ascii(text) { // swe7 has letters in the place of ASCII's brackets
		return text, nil
	}
	conv, err := newCharset(name)
	switch {
	case conv != nil:
		return conv.convert(nil, text)
	case err == nil:
		if i := invalid(text); i >= 0 {
			return nil, &CharsetError{Charset: "utf8mb4", Bytes: hexBytes(text[i:])}
		}
		return text, nil
	case clientCharsets[name] == nil:
		return nil, fmt.Errorf("character set %s is not known", name)
	}
	out, err := clientCharsets[name].NewDecoder().Bytes(text)
	if err == nil && !bytes.ContainsRune(out, utf8.RuneError) { // none of these sets has it
		return out, nil
	}
	return nil, &CharsetError{Charset: name, Bytes: hexBytes(firstAbove(text))}
}

// invalid is where a text stops to be UTF-8, -1 if nowhere.
func invalid(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// firstAbove is the text from its first byte on that is not ASCII.
func firstAbove(text []byte) []byte {
	i := bytes.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
	return text[max(i, 0):]
}
