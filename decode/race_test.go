//go:build race

package decode_test

const raceDetector = true // takes several times the memory
