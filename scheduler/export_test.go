package scheduler

import "dxfproxy/dxf"

// SealedWake is a datagram that asks for a look at the store.
func SealedWake(secret dxf.Secret, sender string, stamp int64) []byte {
	return datagram{word: wakeWord, stamp: stamp, sender: sender}.seal(secret)
}
