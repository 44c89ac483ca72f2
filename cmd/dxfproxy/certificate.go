package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// selfMadeFor is how long a certificate of our own is good.
	selfMadeFor = 365 * 24 * time.Hour

	// renewBefore is how long before its end it is made anew.
	renewBefore = 30 * 24 * time.Hour
)

// errCertificate is a file of certificates or keys that cannot be used.
var errCertificate = errors.New("load the certificate for clients")

// certificates are what clients are shown: the files that flags name, or, where
// they name none, a certificate the node has made itself. That one keeps
// listeners out, but a client cannot tell it from an impostor's.
type certificates struct {
	cert, key, ca string   // files; cert is empty for one of our own
	file          string   // where our own is kept; empty: in memory
	names         []string // it is made out to
	log           *zap.Logger

	loading sync.Mutex
	current atomic.Pointer[served]
}

// served is what new connections get.
type served struct {
	config *tls.Config
	renew  time.Time // when our own is to be made anew; zero: never
}

// clientCertificates loads what clients are shown; nil is no TLS. Our own is
// kept beside the data of the embedded store; a node without one keeps nothing.
func clientCertificates(cfg config, at net.Addr, log *zap.Logger) (*certificates, error) {
	if cfg.TLSCert == noTLS {
		return nil, nil
	}
	host, _, _ := net.SplitHostPort(at.String())
	c := &certificates{cert: cfg.TLSCert, key: cfg.TLSKey, ca: cfg.TLSCA, log: log, names: []string{"localhost", "127.0.0.1", "::1"}}
	if name, err := os.Hostname(); err == nil {
		c.names = append(c.names, name)
	}
	if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() && !ip.IsLoopback() {
		c.names = append(c.names, host)
	}
	if cfg.Store == "" {
		c.file = filepath.Join(cfg.DataDir, "certificate.pem")
	}
	return c, c.load()
}

// config is the TLS of the node's listeners. Connections that are there keep
// the certificate they began with.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now := c.current.Load()
			if !now.renew.IsZero() && time.Now().After(now.renew) {
				if err := c.load(); err != nil {
					c.log.Error("make a new certificate", zap.Error(err))
				}
				now = c.current.Load()
			}
			return now.config, nil
		},
	}
}

// load reads the files again. After an error the node goes on with what it had.
func (c *certificates) load() error {
	c.loading.Lock()
	defer c.loading.Unlock()
	next := &served{config: &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Records of one size: ours are written whole.
		DynamicRecordSizingDisabled: true,
	}}
	var cert tls.Certificate
	var err error
	if c.cert == "" {
		cert, err = c.selfMade()
	} else {
		cert, err = tls.LoadX509KeyPair(c.cert, c.key)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errCertificate, err)
	}
	if c.cert == "" {
		next.renew = cert.Leaf.NotAfter.Add(-renewBefore)
	}
	next.config.Certificates = []tls.Certificate{cert}
	if c.ca != "" {
		if next.config.ClientCAs, err = readAuthorities(c.ca); err != nil {
			return err
		}
		next.config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.current.Store(next)
	c.log.Info("certificate for clients loaded", zap.String("subject", cert.Leaf.Subject.CommonName), zap.Time("until", cert.Leaf.NotAfter))
	return nil
}

// readAuthorities reads certificates of authorities.
func readAuthorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificates of authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read certificates of authorities: %s has none in PEM", file)
	}
	return pool, nil
}

// selfMade is the certificate of our own: the one kept in the file while it is
// good, else a new one.
func (c *certificates) selfMade() (tls.Certificate, error) {
	if c.file != "" {
		cert, err := tls.LoadX509KeyPair(c.file, c.file)
		if err == nil && time.Now().Before(cert.Leaf.NotAfter.Add(-renewBefore)) {
			return cert, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.log.Warn("the self-made certificate cannot be read; making another", zap.Error(err))
		}
	}
	text, err := makeCertificate(c.names)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make one: %w", err)
	}
	if c.file != "" {
		if err := writePrivate(c.file, text); err != nil {
			c.log.Warn("the self-made certificate cannot be kept; the next start makes another", zap.Error(err))
		}
	}
	return tls.X509KeyPair(text, text)
}

// makeCertificate makes a key and a certificate signed with it, both in PEM.
func makeCertificate(names []string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "dxfproxy (self-made)"},
		NotBefore:    now.Add(-time.Hour), // clocks differ
		NotAfter:     now.Add(selfMadeFor),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		// Its own authority: a client can be given the certificate itself.
		IsCA: true, BasicConstraintsValid: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if name != "" {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}

// writePrivate puts a file in place in one step, for our own eyes.
func writePrivate(file string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".new*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return os.Rename(f.Name(), file)
}
