package protocol

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	mysqlserver "github.com/go-mysql-org/go-mysql/server"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"dxfproxy/mariadbd"
)

// startSha2Store is a server that has caching_sha2_password (sarah) and
// sha256_password (simon), which MariaDB 10.11 has not. Everybody's password is "secret".
func startSha2Store(t *testing.T, cfg *tls.Config) (addr string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	srv := mysqlserver.NewServer("8.0.11", 45, sha2Plugin, key, cfg)
	accounts := mysqlserver.NewInMemoryAuthenticationHandler(sha2Plugin)
	require.NoError(t, accounts.AddUser("sarah", "secret", sha2Plugin))
	require.NoError(t, accounts.AddUser("simon", "secret", sha256Plugin))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				c, err := srv.NewCustomizedConn(conn, accounts, mysqlserver.EmptyHandler{})
				for err == nil {
					err = c.HandleCommand()
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); running.Wait() })
	return ln.Addr().String()
}

// TestCachingSha2Password logs in for the first time, which is in full, and
// again, which is by scramble, for every security of the two legs.
func TestCachingSha2Password(t *testing.T) {
	a := newAuthority(t)
	for _, legs := range []struct {
		client, store bool
	}{{false, false}, {true, true}, {true, false}, {false, true}} {
		t.Run(fmt.Sprintf("client %t store %t", legs.client, legs.store), func(t *testing.T) {
			store := startSha2Store(t, &tls.Config{Certificates: []tls.Certificate{a.sign(t, "store")}})
			mode := TLSDisable
			if legs.store {
				mode = TLSRequire
			}
			core, logs := observer.New(zap.DebugLevel)
			addr := startRelay(t, &Server{
				Dial: dialer(store), StoreTLS: mode, Log: zap.New(core),
				TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}},
			})
			params := "?maxAllowedPacket=1000"
			if legs.client {
				params = "?maxAllowedPacket=1000&tls=skip-verify"
			}
			for _, user := range []string{"sarah", "simon"} {
				for _, password := range []string{"wrong", "secret", "secret", "", "wrong", strings.Repeat("x", 300)} {
					db := openAs(t, addr, user+":"+password, params)
					err := db.Ping()
					require.Equal(t, password == "secret", err == nil, "%s %s: %v", user, password, err)
				}
			}
			for _, e := range logs.All() {
				line := fmt.Sprint(e.Message, e.ContextMap())
				require.NotContains(t, line, "secret")
				require.NotContains(t, line, "xxx")
			}
		})
	}
}

// TestCachingSha2PasswordOverASocket: what is no network needs no TLS, and
// clients send their passwords in the clear there.
func TestCachingSha2PasswordOverASocket(t *testing.T) {
	for _, mode := range []StoreTLS{TLSDisable, TLSRequire} {
		store := startSha2Store(t, &tls.Config{Certificates: []tls.Certificate{newAuthority(t).sign(t, "store")}})
		ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		require.NoError(t, err)
		startRelayOn(t, &Server{Dial: dialer(store), StoreTLS: mode, RequireTLS: true}, ln)
		for _, user := range []string{"sarah", "simon"} {
			for _, password := range []string{"wrong", "secret", "secret"} {
				db, err := sql.Open("mysql", user+":"+password+"@unix("+ln.Addr().String()+")/?maxAllowedPacket=1000")
				require.NoError(t, err)
				err = db.Ping()
				require.NoError(t, db.Close())
				require.Equal(t, password == "secret", err == nil, "%s %s: %v", user, password, err)
			}
		}
	}
}

// TestCachingSha2PasswordKeepsNoPassword looks for the password where the relay
// held it.
func TestCachingSha2PasswordKeepsNoPassword(t *testing.T) {
	a := newAuthority(t)
	store := startSha2Store(t, nil)
	front, back := socketPair(t)
	c := newConn(&Server{
		Dial: dialer(store), StoreTLS: TLSDisable, TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}},
	}, back)
	require.True(t, c.server.enter(c))
	done := make(chan error, 1)
	go func() { done <- c.login(t.Context()) }()
	cfg := "sarah:secret@tcp(x)/?maxAllowedPacket=1000&tls=skip-verify"
	require.NoError(t, loginOver(t, front, cfg))
	require.NoError(t, <-done)
	require.False(t, bytes.Contains(c.small[:], []byte("secret")))
	require.False(t, bytes.Contains(c.in, []byte("secret")))
	c.store.Close()
}

func TestSealedPasswords(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := publicPEM(key)
	require.NoError(t, err)
	salt := []byte("01234567890123456789")
	for _, password := range []string{"\x00", "secret\x00", strings.Repeat("long", 50) + "\x00"} {
		cipher, err := seal([]byte(password), salt, public)
		require.NoError(t, err)
		got, err := unseal(cipher, salt, key)
		require.NoError(t, err)
		require.Equal(t, password, string(got))
	}
	_, err = seal(make([]byte, 300), salt, public)
	require.ErrorContains(t, err, "encrypt a password")
	_, err = seal([]byte("x"), nil, public)
	require.True(t, errors.Is(err, errMalformed))
	for _, notAKey := range []string{"", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		_, err = seal([]byte("x"), salt, []byte(notAKey))
		require.Error(t, err)
	}
}

// loginOver logs in over a connection that is there already.
func loginOver(t *testing.T, conn net.Conn, dsn string) error {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	connector, err := mysql.NewConnector(cfg)
	require.NoError(t, err)
	_, err = connector.Connect(t.Context())
	return err
}

// TestMySQLAccountsOnEitherLeg does the same before a MySQL server, when the
// tests run with one: make test-stores does.
func TestMySQLAccountsOnEitherLeg(t *testing.T) {
	if testStore.Kind() != mariadbd.MySQL {
		t.Skip("the tests' server is not MySQL")
	}
	a := newAuthority(t)
	root := open(t, testStore.Addr(), "")
	root.SetMaxOpenConns(1)
	require.NoError(t, root.Ping()) // the leak check is to know it
	for _, legs := range []struct {
		client bool
		mode   StoreTLS
	}{{false, TLSDisable}, {true, TLSAsClient}, {true, TLSDisable}, {false, TLSRequire}} {
		addr := startRelay(t, &Server{StoreTLS: legs.mode, TLS: &tls.Config{Certificates: []tls.Certificate{a.sign(t, "relay")}}})
		params := ""
		if legs.client {
			params = "?tls=skip-verify"
		}
		for _, plugin := range []string{sha2Plugin, sha256Plugin} {
			_, err := root.Exec("CREATE USER sarah IDENTIFIED WITH " + plugin + " BY 'secret'") // the server remembers nobody of this name
			require.NoError(t, err)
			for _, password := range []string{"wrong", "secret", "secret", ""} {
				err := openAs(t, addr, "sarah:"+password, params).Ping()
				require.Equal(t, password == "secret", err == nil, "client %t store %d: %s %s: %v", legs.client, legs.mode, plugin, password, err)
			}
			_, err = root.Exec("DROP USER sarah")
			require.NoError(t, err)
		}
	}
}
