package scheduler

import (
	"crypto/hmac"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"dxfproxy/dxf"
)

// A datagram is what nodes tell each other: that there is something to look at in the
// store, or that clients be held back for a moment. On the wire it is text:
//
//	dxf hold 150 1764380000000000 01234567-89ab-cdef-0123-456789abcdef 5f0c…
//
// with the word (wake or hold), milliseconds (of a wake 0), the sender's stamp, the sender,
// and the signature of all before it, in hexadecimal digits.
type datagram struct {
	word   string
	hold   time.Duration
	stamp  int64 // microseconds since 1970 by the store's clock, never the same twice
	sender string
}

const (
	wakeWord = "wake"
	holdWord = "hold"

	// maxDatagram is more than any datagram has, to tell a longer one from it.
	maxDatagram = 256
	// freshFor is how far a datagram's stamp may be from the time here: a network that is
	// slow, and clocks that were compared with the store's over one. An older one
	// is told too late, or again by a stranger who has heard it.
	freshFor = 5 * time.Second
)

// seal writes a datagram.
func (d datagram) seal(secret dxf.Secret) []byte {
	text := "dxf " + d.word + " " + strconv.FormatInt(d.hold.Milliseconds(), 10) + " " + strconv.FormatInt(d.stamp, 10) + " " + d.sender
	return []byte(text + " " + hex.EncodeToString(secret.Sign("datagram", []byte(text))))
}

// openDatagram reads one. It reports false for whatever no node has sealed.
func openDatagram(secret dxf.Secret, b []byte) (d datagram, ok bool) {
	text := string(b)
	at := strings.LastIndexByte(text, ' ')
	if at < 0 || len(b) >= maxDatagram {
		return d, false
	}
	if mac := hex.EncodeToString(secret.Sign("datagram", b[:at])); !hmac.Equal(b[at+1:], []byte(mac)) {
		return d, false
	}
	f := strings.Split(text[:at], " ")
	if len(f) != 5 || f[0] != "dxf" || f[1] != wakeWord && f[1] != holdWord {
		return d, false
	}
	ms, err := strconv.ParseUint(f[2], 10, 16)
	if err != nil {
		return d, false
	}
	d = datagram{word: f[1], hold: time.Duration(ms) * time.Millisecond, sender: f[4]}
	d.stamp, err = strconv.ParseInt(f[3], 10, 64)
	return d, err == nil
}

// stamps are the newest stamps heard, by sender. Touched by one goroutine.
type stamps map[string]int64

// news says whether a datagram is fresh and newer than all of its sender's. Senders
// whose last one is not fresh any more are forgotten.
func (s stamps) news(d datagram, now time.Time) bool {
	oldest := now.Add(-freshFor).UnixMicro()
	if d.stamp < oldest || d.stamp > now.Add(freshFor).UnixMicro() || d.stamp <= s[d.sender] {
		return false
	}
	for sender, last := range s {
		if last < oldest {
			delete(s, sender)
		}
	}
	s[d.sender] = d.stamp
	return true
}
