package scheduler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzDatagram: whatever comes over the network is either what a node has sealed, to
// the byte, or dropped.
func FuzzDatagram(f *testing.F) {
	for _, d := range []datagram{{word: wakeWord, stamp: 1, sender: "n1"}, {word: holdWord, hold: 150 * time.Millisecond, stamp: 1 << 60, sender: "n2"}} {
		f.Add(d.seal("s"))
	}
	f.Add([]byte("dxf hold 1000"))
	f.Add([]byte("dxf hold 99999 1 n1 00"))
	f.Add([]byte("      "))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, ok := openDatagram("s", b); ok && string(d.seal("s")) != string(b) {
			t.Fatalf("%q is taken for %+v", b, d)
		}
		make(stamps).news(datagram{stamp: int64(len(b)), sender: string(b)}, time.UnixMicro(0))
	})
}

func TestS23Stamps(t *testing.T) {
	s, now := make(stamps), time.Unix(1000, 0)
	at := func(sender string, d time.Duration) datagram {
		return datagram{sender: sender, stamp: now.Add(d).UnixMicro()}
	}
	require.True(t, s.news(at("a", 0), now))
	require.False(t, s.news(at("a", 0), now), "told again")
	require.False(t, s.news(at("a", -time.Microsecond), now), "older than the last one")
	require.True(t, s.news(at("b", -time.Second), now), "another one's clock")
	require.False(t, s.news(at("c", -freshFor-time.Microsecond), now), "too old")
	require.False(t, s.news(at("c", freshFor+time.Microsecond), now), "of the future")
	require.True(t, s.news(at("c", freshFor), now))
	now = now.Add(freshFor + 2*time.Second)
	require.True(t, s.news(at("d", 0), now))
	require.Len(t, s, 2, "who says nothing is forgotten")
}
