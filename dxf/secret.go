package dxf

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// A Secret is what the nodes of one meta schema know and nobody else does: 64
// hexadecimal digits, made once, kept in the schema. It is the key of what nodes
// say to each other where anybody may speak: names of advisory locks, and datagrams.
// The zero Secret, of tests, leaves names as they are.
type Secret string

// lockTag is how many hexadecimal digits keep a lock's name from being guessed: the
// longest of our names and they have 64 characters at most, MySQL's limit.
const lockTag = 24

// Lock is the name that an advisory lock has on the server. Whoever takes a lock may
// make its holders' jobs wait, so the name must not be known; one that is seen in the
// process list tells nothing of others.
func (s Secret) Lock(name string) string {
	if s == "" {
		return name
	}
	return name + "_" + hex.EncodeToString(s.Sign("lock", []byte(name)))[:lockTag]
}

// Job is what a job is called in the names of its tables: two clusters may have jobs
// of one number on one table.
func (s Secret) Job(id int64) string {
	text := strconv.FormatInt(id, 10)
	if s == "" {
		return text
	}
	return text + "c" + hex.EncodeToString(s.Sign("tables", nil))[:6]
}

// Sign is the signature (HMAC-SHA256, 32 bytes) of a text that serves a purpose.
func (s Secret) Sign(purpose string, text []byte) []byte {
	mac := hmac.New(sha256.New, []byte(s))
	mac.Write([]byte(purpose))
	mac.Write([]byte{0})
	mac.Write(text)
	return mac.Sum(nil)
}
