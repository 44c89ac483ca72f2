// Package sourcetest gives tests object stores of their own, and a wire to them that
// can be bent.
package sourcetest

import "testing"

// Store is an object store that runs for a test, with one bucket "bucket", and an
// account that may read it.
type Store interface {
	Endpoint() string
	// URI is of objects, by way of an endpoint. path begins with the bucket.
	URI(endpoint, path string) string
	// BadURI is of a.csv, with a secret "wrongsecret=" that is refused.
	BadURI() string
	Put(t testing.TB, key string, content []byte)
	Remove(t testing.TB, key string)
}
