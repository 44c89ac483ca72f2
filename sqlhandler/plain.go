package sqlhandler

import (
	"slices"
	"strings"
	"unicode/utf8"

	"dxfproxy/decode"
	"dxfproxy/table"
)

// plainSets are the character sets whose bytes below 128 are ASCII wherever they
// stand: what a text in them is made of can be told without decoding it.
var plainSets = table.Words(`utf8mb4 utf8mb3 utf8 latin1 ascii binary armscii8 cp1250 cp1251 cp1256 cp1257 cp850
	cp852 cp866 dec8 euckr eucjpms gb2312 geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin2 latin5 latin7 macce macroman tis620 ujis`)

// decoder returns what makes UTF-8 of a text in a client's character set.
func decoder(charset string) func([]byte) (string, bool) {
	charset = strings.ToLower(charset)
	return func(b []byte) (string, bool) {
		switch {
		case !plainSets[charset]:
			return "", false
		case (charset == "binary" || charset == "ascii") && !ascii(b):
			return "", false
		}
		text, err := decode.ToUTF8(charset, b)
		if err != nil {
			return "", false
		}
		s := string(text)
		// The servers' utf8mb3 ends with the first plane of Unicode.
		return s, !strings.HasPrefix(charset, "utf8") || charset == "utf8mb4" || !strings.ContainsFunc(s, func(r rune) bool { return r > 0xFFFF })
	}
}

// ascii says whether all bytes are below 128.
func ascii(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c >= utf8.RuneSelf })
}

// decodeAll makes UTF-8 of texts in a client's character set; ok is false if one
// of them is not in it.
func decodeAll(charset string, texts ...string) (all []string, ok bool) {
	toUTF8 := decoder(charset)
	for _, t := range texts {
		s, ok := toUTF8([]byte(t))
		if !ok {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}

// lexicalModes are the parts of sql_mode that plain notation does without;
// meaningModes those that say what an expression means, and are kept.
var (
	lexicalModes = table.Words(`ANSI ANSI_QUOTES NO_BACKSLASH_ESCAPES NO_KEY_OPTIONS NO_TABLE_OPTIONS NO_FIELD_OPTIONS
		NO_DIR_IN_CREATE ONLY_FULL_GROUP_BY NO_AUTO_CREATE_USER TRADITIONAL SIMULTANEOUS_ASSIGNMENT`)
	meaningModes = table.Words("PIPES_AS_CONCAT HIGH_NOT_PRECEDENCE IGNORE_SPACE NO_UNSIGNED_SUBTRACTION REAL_AS_FLOAT EMPTY_STRING_IS_NULL")
)

// plainMode is the sql_mode under which a statement in plain notation means what
// it means under sqlMode; ok is false where it need not, as in another dialect.
func plainMode(sqlMode string) (mode string, ok bool) {
	var keep []string
	for name := range strings.SplitSeq(strings.ToUpper(sqlMode), ",") {
		switch {
		case name == "", lexicalModes[name]:
		case meaningModes[name]:
			keep = append(keep, name)
		case table.ValueMode(name) != "":
			keep = append(keep, name)
		default:
			return "", false
		}
	}
	return strings.Join(keep, ","), true
}
