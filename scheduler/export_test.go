package scheduler

import (
	"time"

	"dxfproxy/dxf"
)

// Burst is what the loops of a Waker count.
type Burst = burst

// More is more.
func (b *burst) More(now time.Time) bool { return b.more(now) }

// SealedWake is a datagram that asks for a look at the store.
func SealedWake(secret dxf.Secret, sender string, stamp int64) []byte {
	return datagram{word: wakeWord, stamp: stamp, sender: sender}.seal(secret)
}
