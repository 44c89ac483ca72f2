package protocol

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// BenchmarkConnect logs in and says goodbye, one client after the other and eight
// abreast.
func BenchmarkConnect(b *testing.B) {
	addr := startRelay(b, &Server{Log: zap.NewNop()})
	login := func(b *testing.B) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		require.NoError(b, conn.SetDeadline(time.Now().Add(time.Minute)))
		c := loginRaw(b, conn, capsGoDriver)
		c.send(comQuit)
		_, _ = io.ReadAll(conn)
	}
	b.Run("1", func(b *testing.B) {
		for b.Loop() {
			login(b)
		}
	})
	b.Run("8", func(b *testing.B) {
		b.SetParallelism(4) // two processors
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				login(b)
			}
		})
	})
}
