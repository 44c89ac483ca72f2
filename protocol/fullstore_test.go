package protocol

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd/mariadbdtest"
)

// TestS24SilentClientsOfASmallStore: more clients that do not log in than the store
// takes connections; some say nothing, others stop in the middle of their login. A
// client that does log in comes in within about a second, and so does who connects
// to the store itself, as the jobs do.
func TestS24SilentClientsOfASmallStore(t *testing.T) {
	begun := binary.LittleEndian.AppendUint32(nil, uint32(capsMySQL))
	begun = append(begun, make([]byte, 28)...)
	begun = append(begun, "nobody\x00\x00nothing\x00"...) // the store will ask for another plugin
	seq := byte(1)
	begun = appendPacket(nil, &seq, begun)
	const room = 10
	for name, way := range map[string]struct {
		clients int
		say     []byte
	}{
		"silent": {40, nil}, "begun": {40, begun},
		"as many as there is room": {room, nil}, // then MariaDB greets one more, and refuses it at its login
	} {
		t.Run(name, func(t *testing.T) {
			store := mariadbdtest.StartT(t, fmt.Sprintf("max_connections=%d", room))
			root := open(t, store.Addr(), "")
			_, err := root.Exec("CREATE USER app@'%' IDENTIFIED BY 'secret'")
			require.NoError(t, err)
			require.NoError(t, root.Close())
			addr := startRelay(t, &Server{Dial: dialer(store.Addr()), HandshakeTimeout: time.Minute})
			for range way.clients {
				conn, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				t.Cleanup(func() { conn.Close() })
				go func() {
					if _, err := readPacket(conn, nil, 1000); err == nil && way.say != nil {
						_, _ = conn.Write(way.say)
					}
				}()
			}
			for round := range 5 {
				began := time.Now()
				require.Eventually(t, func() bool {
					db := openAs(t, addr, "app:secret", "?timeout=5s")
					defer db.Close()
					return db.Ping() == nil
				}, 20*time.Second, 200*time.Millisecond)
				t.Logf("round %d: in after %v", round, time.Since(began))
				require.Less(t, time.Since(began), 4*time.Second)
			}
			began := time.Now()
			require.Eventually(t, func() bool {
				db := openAs(t, store.Addr(), "app:secret")
				defer db.Close()
				return db.Ping() == nil
			}, 3*time.Second, 200*time.Millisecond)
			t.Logf("the store's own: in after %v", time.Since(began))
		})
	}
}
