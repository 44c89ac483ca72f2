package protocol

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// A killing is what a KILL statement asks for.
type killing struct {
	id    uint32
	cause error // ErrQueryKilled or ErrConnectionKilled
}

// parseKill reads KILL [HARD|SOFT] [CONNECTION|QUERY] n. Other forms (a user, a
// query id, an expression) name no session we could know.
func parseKill(sql []byte) (k killing, ok bool) {
	sql = skipBlank(sql)
	if len(sql) < 5 || sql[0]|0x20 != 'k' { // the way of every other statement
		return k, false
	}
	word, sql := nextWord(sql)
	if !bytes.EqualFold(word, []byte("KILL")) {
		return k, false
	}
	word, sql = nextWord(sql)
	if bytes.EqualFold(word, []byte("HARD")) || bytes.EqualFold(word, []byte("SOFT")) {
		word, sql = nextWord(sql)
	}
	k.cause = ErrConnectionKilled
	switch {
	case bytes.EqualFold(word, []byte("CONNECTION")):
		word, sql = nextWord(sql)
	case bytes.EqualFold(word, []byte("QUERY")):
		k.cause = ErrQueryKilled
		word, sql = nextWord(sql)
	}
	id, err := strconv.ParseUint(string(word), 10, 32)
	rest := bytes.TrimRight(skipBlank(sql), "; \t\r\n\x00")
	k.id = uint32(id)
	return k, err == nil && len(rest) == 0
}

// skipBlank passes white space and comments that are not executable.
func skipBlank(s []byte) []byte {
	for len(s) > 0 {
		switch {
		case s[0] <= ' ':
			s = s[1:]
		case s[0] == '#' || dashComment(s, 0):
			s = s[lineEnd(s, 0):]
		case len(s) > 2 && s[0] == '/' && s[1] == '*' && !executable(s[2:]):
			n := bytes.Index(s[2:], []byte("*/"))
			if n < 0 {
				return nil
			}
			s = s[2+n+2:]
		default:
			return s
		}
	}
	return s
}

// nextWord splits off the next word of letters and digits.
func nextWord(s []byte) (word, rest []byte) {
	s = skipBlank(s)
	i := 0
	for i < len(s) && (s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z' || s[i] >= '0' && s[i] <= '9' || s[i] == '_') {
		i++
	}
	return s[:i], s[i:]
}

// processKill relays COM_PROCESS_KILL.
func (c *Conn) processKill(n int) error {
	if n < 5 {
		return c.relay(respOne)
	}
	if err := c.need(headerSize + 5); err != nil {
		return err
	}
	id := binary.LittleEndian.Uint32(c.in[c.r+headerSize+1:])
	return c.relayKill(killing{id, ErrConnectionKilled}, respOne)
}

// relayKill relays a KILL and, when the store has agreed, does the same to the
// statement the victim waits for here: the store knows nothing of that one. So
// the store decides who may kill whom.
func (c *Conn) relayKill(k killing, kind responseKind) error {
	if err := c.relay(kind); err != nil {
		return err
	}
	if !c.scan.Failed {
		c.server.kill(k)
	}
	return nil
}
