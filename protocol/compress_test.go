package protocol

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// compressing is a client that compresses from its login on, be it offered or not.
func compressing(t *testing.T, addr string, caps Capability) *rawClient {
	c := dialRaw(t, addr, caps|ClientCompress)
	c.caps &^= ClientCompress
	c.conn = &compressed{Conn: c.conn}
	return c
}

// ask sends a command in frames of its own.
func (c *rawClient) ask(cmd byte, text string) {
	c.conn.(*compressed).next.Store(0)
	c.sendText(cmd, text)
}

// TestI14CompressionUnasked: a client that compresses although it was not offered, as
// PHP does, is understood, as it is by the store itself.
func TestI14CompressionUnasked(t *testing.T) {
	long := strings.Repeat("compress me, ", 200_000)
	random := make([]byte, 100_000)
	for i := range random {
		random[i] = 'a' + byte(rand.IntN(26))
	}
	for name, addr := range map[string]string{"store": testStore.Addr(), "node": startRelay(t, &Server{Handler: &testHandler{}})} {
		for kind, caps := range map[string]Capability{"plain": capsMySQL, "TLS": capsMySQL | ClientSSL} {
			if kind == "TLS" {
				if name == "store" {
					continue
				}
				addr = startRelay(t, &Server{TLS: &tls.Config{Certificates: []tls.Certificate{newAuthority(t).sign(t, "relay")}}, StoreTLS: TLSDisable})
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				c := compressing(t, addr, caps)
				for _, text := range []string{"x", long, string(random)} {
					c.ask(comQuery, "SELECT '"+text+"'")
					pkts, _ := c.response(respQuery)
					var all []byte
					for i, p := range pkts {
						require.True(t, name == "store" || p.seq == byte(i+1)) // the store goes on counting frames
						all = append(all, p.payload...)
					}
					require.True(t, bytes.Contains(all, []byte(text)))
				}
				c.ask(comQuery, "SELECT 1 FROM nowhere.at_all")
				pkts, _ := c.response(respQuery)
				require.Equal(t, byte(0xff), pkts[0].payload[0])
				c.ask(comPing, "")
				require.Equal(t, byte(0), c.read().payload[0])
			})
		}
	}
}

// TestI14OtherCompression: what is not understood is said, and not waited for.
func TestI14OtherCompression(t *testing.T) {
	c := dialGreeting(t, startRelay(t, &Server{}))
	c.read()
	b := binary.LittleEndian.AppendUint32(nil, uint32(capsMySQL|ClientZstdCompression))
	b = append(binary.LittleEndian.AppendUint32(b, 1<<24), collationUTF8MB4)
	b = append(append(b, make([]byte, 23)...), "root\x00\x00mysql_native_password\x00\x03"...)
	c.write(1, b)
	p := c.read()
	require.Equal(t, byte(0xff), p.payload[0])
	require.Equal(t, byte(2), p.seq)
	require.Contains(t, string(p.payload), "does not offer compression by zstd")
}

// oneWay is a connection of which only one direction is looked at.
type oneWay struct {
	net.Conn
	io.Reader
	io.Writer
}

func (o oneWay) Read(p []byte) (int, error)  { return o.Reader.Read(p) }
func (o oneWay) Write(p []byte) (int, error) { return o.Writer.Write(p) }

// interrupted fails every other read, as one that is woken does.
type interrupted struct {
	r    io.Reader
	fail bool
}

func (i *interrupted) Read(p []byte) (int, error) {
	if i.fail = !i.fail; i.fail {
		return 0, errWoken
	}
	return i.r.Read(p)
}

// TestI14Frames: whatever is written comes out, in whatever pieces it is read, and
// however often a read is interrupted.
func TestI14Frames(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	for range 30 {
		var wire bytes.Buffer
		var want []byte
		w := &compressed{Conn: oneWay{Writer: &wire}}
		for range random.IntN(6) {
			b := make([]byte, random.IntN(300)<<random.IntN(14))
			for i := range b {
				b[i] = "ab"[random.IntN(2)]
			}
			n, err := w.Write(b)
			require.NoError(t, err)
			require.Equal(t, len(b), n)
			want = append(want, b...)
		}
		frames := wire.Bytes()
		split := random.IntN(len(frames) + 1)
		r := &compressed{early: bytes.Clone(frames[:split]), Conn: oneWay{Reader: &interrupted{r: iotest.HalfReader(bytes.NewReader(frames[split:]))}}}
		var got []byte
		for p := make([]byte, 1+random.IntN(5000)); ; {
			n, err := r.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				require.ErrorIs(t, err, errWoken)
			}
		}
		require.Equal(t, len(want), len(got))
		require.True(t, bytes.Equal(want, got))
	}
}

// FuzzFrames: broken frames are errors, and what a frame claims takes no memory.
func FuzzFrames(f *testing.F) {
	var wire bytes.Buffer
	w := &compressed{Conn: oneWay{Writer: &wire}}
	_, _ = w.Write(bytes.Repeat([]byte("x"), 1000))
	f.Add(bytes.Clone(wire.Bytes()))
	lie := bytes.Clone(wire.Bytes())
	lie[4]++
	f.Add(lie)
	f.Add([]byte{0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0x78, 0x01})
	f.Add([]byte{0, 0, 0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, frames []byte) {
		r := &compressed{Conn: oneWay{Reader: bytes.NewReader(frames)}}
		n, err := io.Copy(io.Discard, r)
		if err == nil && n > int64(len(frames))*1100+1100 {
			t.Fatalf("%d bytes out of %d", n, len(frames))
		}
		require.LessOrEqual(t, cap(r.packed), 4*len(frames)+16<<10)
	})
}
