package protocol

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The full authentication of caching_sha2_password, as in "Caching_sha2_password
// information" of the MySQL server's source documentation:
//
//	store  01 04             I do not know this password yet: full authentication
//	client password NUL      where the connection is secure; else
//	client 02                your key, please
//	store  01 PEM
//	client RSA(password NUL xor salt)
//
// Where the client is secure and the store is not, the relay asks for the key
// and encrypts; the other way round it gives out a key of its own and decrypts.
// The password is in memory for that moment, and wiped. The older
// sha256_password does the same without being asked, and with 01 for 02.
const (
	sha2Plugin     = "caching_sha2_password"
	sha256Plugin   = "sha256_password"
	sha2FullAuth   = 0x04
	sha2KeyRequest = 0x02
	sha256Request  = 0x01
	moreData       = 0x01
)

// A sha2Step is where a translated authentication stands.
type sha2Step uint8

const (
	sha2Idle   sha2Step = iota
	sha2Asked           // the store has asked for full authentication
	sha2Key             // we have asked the store for its key
	sha2Cipher          // we have given the client our key
)

// secure reports which legs the plugin sends a password in the clear on. The
// older plugin does so only under TLS, the newer one on a socket too.
func (a *authExchange) secure() (client, store bool) {
	if a.plugin == sha256Plugin {
		return underTLS(a.c.client), underTLS(a.c.store)
	}
	return a.c.clientSecure, a.c.storeSecure
}

// keyRequest is how the plugin asks for the server's key; 0 says that nothing
// need be translated.
func (a *authExchange) keyRequest() byte {
	switch client, store := a.secure(); {
	case client == store:
		return 0
	case a.plugin == sha2Plugin:
		return sha2KeyRequest
	case a.plugin == sha256Plugin:
		return sha256Request
	}
	return 0
}

// translateFromStore looks at a packet of the store, and reports whether that
// was all that had to be done with it.
func (a *authExchange) translateFromStore(pkt []byte) (used bool, err error) {
	payload := pkt[headerSize:]
	switch {
	case a.keyRequest() == 0:
	case payload[0] == 0xfe && a.plugin == sha256Plugin:
		a.step = sha2Asked
	case payload[0] != moreData:
	case a.step == sha2Key:
		defer clear(a.password)
		cipher, err := seal(a.password, a.c.salt, payload[1:])
		if err != nil {
			return true, err
		}
		a.step = sha2Idle
		a.shift -= 2 // the client has seen nothing of the two packets about the key
		seq := pkt[3] + 1
		_, err = a.c.store.Write(appendPacket(nil, &seq, cipher))
		return true, err
	case len(payload) == 2 && payload[1] == sha2FullAuth:
		a.step = sha2Asked
	}
	return false, nil
}

// translateFromClient does the same with a packet of the client.
func (a *authExchange) translateFromClient(pkt []byte) (used bool, err error) {
	payload := pkt[headerSize:]
	client, _ := a.secure()
	switch {
	case a.step == sha2Asked && client && len(bytes.Trim(payload, "\x00")) > 0:
		a.password = bytes.Clone(payload)
		clear(payload)
		a.step = sha2Key
		seq := pkt[3] - a.shift
		_, err := a.c.store.Write(appendPacket(nil, &seq, []byte{a.keyRequest()}))
		return true, err
	case a.step == sha2Asked && len(payload) == 1 && payload[0] == a.keyRequest():
		key, err := a.c.server.loginKey()
		if err != nil {
			return true, err
		}
		public, err := publicPEM(key)
		if err != nil {
			return true, err
		}
		a.step = sha2Cipher
		seq := pkt[3] + 1
		_, err = a.c.client.Write(appendPacket(nil, &seq, append([]byte{moreData}, public...)))
		return true, err
	case a.step == sha2Cipher:
		key, err := a.c.server.loginKey()
		if err != nil {
			return true, err
		}
		password, err := unseal(payload, a.c.salt, key)
		if err != nil {
			return true, err
		}
		defer clear(password)
		a.step = sha2Idle
		a.shift += 2
		seq := pkt[3] - a.shift
		out := appendPacket(nil, &seq, password)
		defer clear(out)
		_, err = a.c.store.Write(out)
		return true, err
	}
	return false, nil
}

// seal encrypts a password for the owner of the public key.
func seal(password, salt, public []byte) ([]byte, error) {
	block, _ := pem.Decode(public)
	if block == nil {
		return nil, errors.New("the store's public key is not in PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the store's public key: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the store's public key is a %T, want RSA", parsed)
	}
	mixed, err := mix(password, salt)
	if err != nil {
		return nil, err
	}
	defer clear(mixed)
	cipher, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key, mixed, nil)
	if err != nil {
		return nil, fmt.Errorf("encrypt a password for the store: %w", err)
	}
	return cipher, nil
}

// unseal decrypts what a client has encrypted for us.
func unseal(cipher, salt []byte, key *rsa.PrivateKey) ([]byte, error) {
	mixed, err := rsa.DecryptOAEP(sha1.New(), nil, key, cipher, nil)
	if err != nil {
		return nil, fmt.Errorf("decrypt a client's password: %w", err)
	}
	defer clear(mixed)
	return mix(mixed, salt)
}

// mix is the exclusive or of a text with the salt, over and over.
func mix(text, salt []byte) ([]byte, error) {
	if len(salt) == 0 {
		return nil, fmt.Errorf("%s without a salt: %w", sha2Plugin, errMalformed)
	}
	mixed := make([]byte, len(text))
	for i := range text {
		mixed[i] = text[i] ^ salt[i%len(salt)]
	}
	return mixed, nil
}

// loginKey is the key that clients encrypt passwords for. It is made when it is
// first needed, and lives as long as the Server.
func (s *Server) loginKey() (*rsa.PrivateKey, error) {
	s.loginKeyOnce.Do(func() { s.rsaKey, s.rsaErr = rsa.GenerateKey(rand.Reader, 2048) })
	return s.rsaKey, s.rsaErr
}

func publicPEM(key *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("write our public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
