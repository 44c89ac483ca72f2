package protocol

import (
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// farEnd connects to ln and returns the other end's descriptor: a peer that
// costs the process no memory.
func farEnd(t testing.TB, ln net.Listener) (near net.Conn, far int) {
	t.Helper()
	far, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, syscall.Connect(far, &syscall.SockaddrInet4{Port: ln.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}))
	near, err = ln.Accept()
	require.NoError(t, err)
	return near, far
}

func writeFar(t testing.TB, fd int, p []byte) {
	t.Helper()
	n, err := syscall.Write(fd, p)
	require.NoError(t, err)
	require.Equal(t, len(p), n)
}

func readFar(t testing.TB, fd int, p []byte) {
	t.Helper()
	for read := 0; read < len(p); {
		n, err := syscall.Read(fd, p[read:])
		require.NoError(t, err)
		require.Positive(t, n, "%v", io.ErrUnexpectedEOF)
		read += n
	}
}

// idleMemory is what each of n sessions holds that have logged in, asked
// something and fallen silent.
func idleMemory(t testing.TB, n int) float64 {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	x := exchanges()[1]
	srv := &Server{Handler: &testHandler{}}
	watch := supervise()
	ends := make([]int, 0, 2*n)
	buf := make([]byte, 1000)
	before := memory()
	var sessions sync.WaitGroup
	for range n {
		front, client := farEnd(t, ln)
		back, store := farEnd(t, ln)
		ends = append(ends, client, store)
		c := newConn(srv, front)
		c.store, c.loggedIn, c.caps, c.user = back, true, capsGoDriver, "somebody"
		c.scan.caps = c.caps
		sessions.Go(func() {
			defer front.Close()
			defer back.Close()
			defer watch.remove(watch.add(c))
			for c.await() == nil && c.command() == nil {
				c.settle()
			}
		})
		writeFar(t, client, x.request)
		readFar(t, store, buf[:len(x.request)])
		writeFar(t, store, x.response)
		readFar(t, client, buf[:len(x.response)])
	}
	runtime.Gosched()
	each := float64(memory()-before) / float64(n)
	for _, fd := range ends {
		require.NoError(t, syscall.Close(fd))
	}
	sessions.Wait()
	watch.stop()
	return each
}

func TestIdleSessionsAreSmall(t *testing.T) {
	each := idleMemory(t, 500)
	t.Logf("%.1f KiB for each of 500 idle sessions", each/1024)
	require.Less(t, each, 40.0*1024)
}

// BenchmarkIdleSession reports the memory of a session that waits for its
// client: what the runtime holds, without the kernel's socket buffers.
func BenchmarkIdleSession(b *testing.B) {
	var each float64
	for b.Loop() {
		each = idleMemory(b, 4000)
	}
	b.ReportMetric(each, "B/session")
}
