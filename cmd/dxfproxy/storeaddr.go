package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"dxfproxy/protocol"
)

// storeDSNs takes a DSN with several addresses, user:password@tcp(a:3306,b:3306)/,
// apart into a DSN for each.
func storeDSNs(dsn string) ([]*mysql.Config, error) {
	head, addrs, tail := splitDSN(dsn)
	var all []*mysql.Config
	for addr := range strings.SplitSeq(addrs, ",") {
		c, err := mysql.ParseDSN(head + strings.TrimSpace(addr) + tail)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// splitDSN finds the addresses: between the parentheses behind the last @ of
// what stands before the last slash. Passwords may have any of these.
func splitDSN(dsn string) (head, addrs, tail string) {
	slash := strings.LastIndexByte(dsn, '/')
	if slash < 1 || dsn[slash-1] != ')' {
		return dsn, "", ""
	}
	at := strings.LastIndexByte(dsn[:slash], '@')
	left := strings.IndexByte(dsn[at+1:slash], '(')
	if left < 0 {
		return dsn, "", ""
	}
	left += at + 2
	return dsn[:left], dsn[left : slash-1], dsn[slash-1:]
}

// avoidFor is how long an address that did not answer comes last.
const avoidFor = 5 * time.Second

// A storeDialer connects clients to the first of the store's addresses that
// answers.
type storeDialer struct {
	addrs []string
	avoid []atomic.Int64 // until when, in nanoseconds; 0: it has answered
	log   *zap.Logger
}

func newStoreDialer(addrs []string, log *zap.Logger) *storeDialer {
	return &storeDialer{addrs: addrs, avoid: make([]atomic.Int64, len(addrs)), log: log}
}

// dial tries the addresses in order, each with its share of the time that is
// left.
func (d *storeDialer) dial(ctx context.Context) (net.Conn, error) {
	var errs []error
	order := d.order()
	for n, i := range order {
		c, err := dialOne(ctx, d.addrs[i], len(order)-n)
		if err == nil {
			if d.avoid[i].Swap(0) != 0 {
				d.log.Info("the store's address answers again", zap.String("address", d.addrs[i]))
			}
			return c, nil
		}
		errs = append(errs, err)
		if d.avoid[i].Swap(time.Now().Add(avoidFor).UnixNano()) == 0 {
			d.log.Warn("the store's address does not answer", zap.String("address", d.addrs[i]), zap.Error(err))
		}
	}
	return nil, errors.Join(errs...)
}

// order is the addresses as they were given, those that did not answer a moment
// ago last.
func (d *storeDialer) order() []int {
	now := time.Now().UnixNano()
	var first, last []int
	for i := range d.addrs {
		if d.avoid[i].Load() > now {
			last = append(last, i)
		} else {
			first = append(first, i)
		}
	}
	return append(first, last...)
}

// dialOne dials with one of so many shares of the time that is left.
func dialOne(ctx context.Context, addr string, shares int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(shares))
		defer cancel()
	}
	dialer := net.Dialer{KeepAliveConfig: protocol.KeepAlive()}
	return dialer.DialContext(ctx, "tcp", addr)
}

// choose returns the first configuration whose address answers, for the jobs'
// own connections. They stay with it: a place in the binlog of one server means
// nothing to another.
func choose(ctx context.Context, all []*mysql.Config, log *zap.Logger) *mysql.Config {
	for _, c := range all {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		conn, err := (&net.Dialer{}).DialContext(ctx, c.Net, c.Addr)
		cancel()
		if err == nil {
			conn.Close()
			return c
		}
		if len(all) > 1 {
			log.Warn("the store's address does not answer", zap.String("address", c.Addr), zap.Error(err))
		}
	}
	return all[0] // whose error will be told
}

// storeTLSConfig is the TLS towards the store: verified when a file of
// authorities is given, by their signature and one of the store's names.
func storeTLSConfig(caFile string, all []*mysql.Config) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, DynamicRecordSizingDisabled: true}
	if caFile == "" {
		return cfg, nil
	}
	roots, err := readAuthorities(caFile)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range all {
		host, _, err := net.SplitHostPort(c.Addr)
		if err != nil {
			return nil, fmt.Errorf("read the store's address: %w", err)
		}
		names = append(names, host)
	}
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		var err error
		for _, name := range names {
			if _, err = s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: name}); err == nil {
				return nil
			}
		}
		return err
	}
	return cfg, nil
}
