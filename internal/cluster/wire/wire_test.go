package wire

import (
	"bufio"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo is a server that sends back what it gets; ended gets the end of each
// connection.
func echo(t *testing.T, word string) (addr string, ended chan error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	ended = make(chan error, 100)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						ended <- err
						return
					}
					_, _ = io.WriteString(c, word+line)
				}
			}()
		}
	}()
	return ln.Addr().String(), ended
}

type client struct {
	*testing.T
	net.Conn
}

func dial(t *testing.T, w *Wire) client {
	c, err := net.Dial("tcp", w.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return client{t, c}
}

func (c client) ask(wait time.Duration) (string, error) {
	_, err := io.WriteString(c, "x\n")
	require.NoError(c, err)
	require.NoError(c, c.SetReadDeadline(time.Now().Add(wait)))
	return bufio.NewReader(c).ReadString('\n')
}

func (c client) answers(want string) {
	c.Helper()
	got, err := c.ask(10 * time.Second)
	require.NoError(c, err)
	require.Equal(c, want, got)
}

func listen(t *testing.T, target string) *Wire {
	w, err := Listen(target)
	require.NoError(t, err)
	t.Cleanup(w.Close)
	return w
}

func TestWire(t *testing.T) {
	one, ended := echo(t, "one ")
	two, _ := echo(t, "two ")
	w := listen(t, one)
	c := dial(t, w)
	c.answers("one x\n")

	w.Retarget(two)
	c.answers("one x\n")
	dial(t, w).answers("two x\n")
	w.Retarget(one)

	w.Delay(40 * time.Millisecond)
	began := time.Now()
	c.answers("one x\n")
	require.GreaterOrEqual(t, time.Since(began), 40*time.Millisecond)
	w.Delay(0)

	w.Hold()
	_, err := c.ask(50 * time.Millisecond)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	w.Release()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	late, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "one x\n", late)

	w.Swallow()
	_, err = c.ask(50 * time.Millisecond)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	c.Close()
	fresh := dial(t, w)
	fresh.answers("one x\n")
	require.Empty(t, ended, "the other end has heard of the end of a swallowed connection")

	w.Cut()
	require.NoError(t, fresh.SetReadDeadline(time.Now().Add(10*time.Second)))
	_, err = fresh.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.Eventually(t, func() bool { return len(ended) > 0 }, 10*time.Second, time.Millisecond)
}
