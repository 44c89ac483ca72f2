// Package seal closes secrets that have to be kept in the store, such as the keys in
// the location of an import, so that they stand in clear in none of its tables, its
// binlog, its logs and its process list.
//
// The key is in no table and no file. It is made from what all nodes of a cluster are
// told, and the store keeps as a hash at most: the password of the account of --store,
// and the meta schema's name. So there is nothing to be set up, or to be lost: a node
// that can do the work can read what was sealed. A password may be guessed by who has
// a copy of the binlog, which is why the key is made slowly. An account without a
// password makes a key that everybody can make.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// A Key seals and opens. It is safe for use by several goroutines.
type Key struct {
	aead func() (cipher.AEAD, error)
}

// rounds of PBKDF2-HMAC-SHA256, as OWASP advises: a fifth of a second, once in the
// life of a node, and only of one that has something to seal or to open.
const rounds = 600_000

// NewKey makes the key of a cluster from the password of the account that the nodes
// have on the store, and the name of their meta schema. It is fast; the first use of
// the key is not.
func NewKey(password, metaSchema string) *Key {
	return &Key{aead: sync.OnceValues(func() (cipher.AEAD, error) {
		key, err := pbkdf2.Key(sha256.New, password, []byte("dxfproxy seal\x00"+metaSchema), rounds, 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCMWithRandomNonce(block)
	})}
}

// version is the first byte of what is sealed: AES-256-GCM behind PBKDF2, the nonce in
// front of the ciphertext.
const version = 1

// ErrOpen says that a text was sealed by a cluster with another key, for another
// place, or is no sealed text.
var ErrOpen = errors.New("the seal does not open")

// Seal closes a text. It opens only together with the same place, which says where it
// is kept: a row of one job is of no use in that of another. The result is printable.
func (k *Key) Seal(text string, place ...string) (string, error) {
	aead, err := k.aead()
	if err != nil {
		return "", fmt.Errorf("make the key for secrets: %w", err)
	}
	sealed := aead.Seal([]byte{version}, nil, []byte(text), where(place))
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// Open gives the text back.
func (k *Key) Open(sealed string, place ...string) (string, error) {
	aead, err := k.aead()
	if err != nil {
		return "", fmt.Errorf("make the key for secrets: %w", err)
	}
	b, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(b) == 0 || b[0] != version {
		return "", ErrOpen
	}
	text, err := aead.Open(nil, nil, b[1:], where(place))
	if err != nil {
		return "", ErrOpen
	}
	return string(text), nil
}

// where writes a place so that no two are the same bytes.
func where(place []string) []byte {
	var b strings.Builder
	for _, p := range place {
		fmt.Fprintf(&b, "%d:%s", len(p), p)
	}
	return []byte(b.String())
}
