package mariadbd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// TLSOptions are options ("name=value") of a server that has TLS, with a certificate and a key that it
// makes: the files ssl_cert.pem and ssl_key.pem in dir, signed by themselves, for localhost and
// for a day.
func TLSOptions(dir string) ([]string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	var options []string
	for _, file := range []struct {
		option string
		block  pem.Block
	}{
		{"ssl_cert", pem.Block{Type: "CERTIFICATE", Bytes: cert}},
		{"ssl_key", pem.Block{Type: "PRIVATE KEY", Bytes: secret}},
	} {
		path := filepath.Join(dir, file.option+".pem")
		// The server runs under another account where ours is root.
		if err := os.WriteFile(path, pem.EncodeToMemory(&file.block), 0o644); err != nil {
			return nil, err
		}
		options = append(options, file.option+"="+path)
	}
	return options, nil
}
