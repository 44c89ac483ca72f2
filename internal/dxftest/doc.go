// Package dxftest tests the whole product: real node processes over a real
// store, under a live load, while nodes are killed, frozen and continued. It
// has tests only.
package dxftest
