package changefeed

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLex: whatever bytes somebody else's statement has, in whatever mode and character
// set, they are cut into words.
func FuzzLex(f *testing.F) {
	sets := []string{"\x21", "\x1c", "\x0d", "\x01", "\x08"} // utf8, gbk, sjis, big5, latin1
	for i, s := range []string{
		"CREATE DEFINER=`a`@`b` TRIGGER x AFTER INSERT ON orders FOR EACH ROW SET @v = 1",
		"/*!40000 ALTER TABLE `orders` DISABLE KEYS */",
		"CREATE TABLE mine.x (`\xbf`` INT, `x\\` INT COMMENT '\x83\\', \"a\\\"\"\"\" INT)",
	} {
		for n := range 8 {
			f.Add([]byte(s), uint8(8*i+n))
		}
	}
	f.Fuzz(func(t *testing.T, q []byte, bits uint8) {
		s := spellingOf([]byte("\x04" + sets[int(bits>>2)%len(sets)] + "\x00\x1c\x00\x08\x00"))
		s.noEscapes, s.ansiQuotes = bits&1 != 0, bits&2 != 0
		if words := s.lex(q); len(words) > len(q) {
			t.Fatalf("%q has %d words", q, len(words))
		}
	})
}

// TestUnendedWords: the server has executed what seems to have no end here; what is left of
// it may name the table.
func TestUnendedWords(t *testing.T) {
	words := spelling{}.lex([]byte("UPDATE a SET x = 'it\\' , b.t SET y = 1"))
	last := words[len(words)-1]
	require.True(t, last.name && last.quoted)
	require.Contains(t, last.text, "b.t")
}
