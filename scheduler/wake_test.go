package scheduler_test

import (
	"bytes"
	"crypto/rand"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"dxfproxy/dxf"
	"dxfproxy/scheduler"
)

func noHold(time.Duration) { panic("held, but nobody asked for it") }

// listen makes a waker of the tests' cluster.
func listen(addr string, wake func(), hold func(time.Duration)) (*scheduler.Waker, error) {
	return scheduler.ListenWake(scheduler.WakeConfig{Addr: addr, Secret: "ours", UUID: rand.Text(), Wake: wake, Hold: hold})
}

func TestWakerHolds(t *testing.T) {
	defer goleak.VerifyNone(t)
	heard := make(chan time.Duration, 2)
	b, err := listen("127.0.0.1:0", func() { t.Error("woken, but nobody told it") }, func(d time.Duration) { heard <- d })
	require.NoError(t, err)
	defer b.Close()
	a, err := listen("127.0.0.1:0", func() {}, noHold)
	require.NoError(t, err)
	defer a.Close()
	for _, d := range []time.Duration{150 * time.Millisecond, 0} {
		a.HoldAll([]dxf.Node{{ID: b.Addr()}, {ID: "nobody.invalid"}}, d)
		select {
		case got := <-heard:
			require.Equal(t, d, got)
		case <-time.After(5 * time.Second):
			t.Fatal("not told")
		}
	}
}

func TestWakerTellsOtherNodes(t *testing.T) {
	defer goleak.VerifyNone(t)
	heard := make(chan struct{}, 100)
	b, err := listen("127.0.0.1:0", func() { heard <- struct{}{} }, noHold)
	require.NoError(t, err)
	defer b.Close()
	a, err := listen("127.0.0.1:0", func() { t.Error("woken, but nobody told it") }, noHold)
	require.NoError(t, err)
	defer a.Close()

	start := time.Now()
	a.WakeAll([]dxf.Node{{ID: b.Addr()}, {ID: "nobody.invalid"}})
	select {
	case <-heard:
		t.Logf("woken after %s", time.Since(start))
	case <-time.After(5 * time.Second):
		t.Fatal("not woken")
	}
}

// A second waker cannot have the port; the first goes on.
func TestWakerOnTakenPort(t *testing.T) {
	defer goleak.VerifyNone(t)
	a, err := listen("127.0.0.1:0", func() {}, noHold)
	require.NoError(t, err)
	defer a.Close()
	b, err := listen(a.Addr(), func() {}, noHold)
	require.ErrorContains(t, err, "listen for wake-ups")
	require.Nil(t, b)
	b.WakeAll([]dxf.Node{{ID: a.Addr()}})
	require.NoError(t, b.Close())
	require.NoError(t, a.Close())
	require.NoError(t, a.Close())
}

// Many datagrams are few calls, and what is not ours is none.
func TestWakerUnderFlood(t *testing.T) {
	defer goleak.VerifyNone(t)
	var calls atomic.Int64
	first := make(chan struct{}, 1)
	w, err := listen("127.0.0.1:0", func() {
		calls.Add(1)
		select {
		case first <- struct{}{}:
		default:
		}
	}, noHold)
	require.NoError(t, err)
	defer w.Close()

	conn, err := net.Dial("udp", w.Addr())
	require.NoError(t, err)
	defer conn.Close()
	start := time.Now()
	for i := range int64(2000) {
		_, err := conn.Write(scheduler.SealedWake("ours", "other", start.UnixMicro()+i))
		require.NoError(t, err)
	}
	<-first
	require.NoError(t, w.Close())
	most := int64(time.Since(start)/(20*time.Millisecond)) + 5
	require.LessOrEqual(t, calls.Load(), most)
}

// What a small job has to say within a few milliseconds is not held back; a flood is, and
// has its burst again after some silence.
func TestWakerBurst(t *testing.T) {
	var b scheduler.Burst
	now := time.Now()
	for _, round := range []time.Duration{0, time.Minute} {
		at := now.Add(round)
		for range 3 {
			require.True(t, b.More(at))
		}
		for range 50 { // who waits for the gap after each
			require.False(t, b.More(at))
			at = at.Add(20 * time.Millisecond)
		}
	}
}

// TestS23Strangers: what a stranger makes up, or tells again, is dropped.
func TestS23Strangers(t *testing.T) {
	defer goleak.VerifyNone(t)
	held := make(chan time.Duration, 100)
	w, err := listen("127.0.0.1:0", func() {}, func(d time.Duration) { held <- d })
	require.NoError(t, err)
	defer w.Close()
	conn, err := net.Dial("udp", w.Addr())
	require.NoError(t, err)
	defer conn.Close()

	// A stranger who hears what nodes say.
	ear, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ear.Close()
	say := func(cfg scheduler.WakeConfig, d time.Duration) []byte {
		cfg.Addr, cfg.Wake, cfg.Hold = "127.0.0.1:0", func() {}, func(time.Duration) {}
		o, err := scheduler.ListenWake(cfg)
		require.NoError(t, err)
		defer o.Close()
		o.HoldAll([]dxf.Node{{ID: ear.LocalAddr().String()}}, d)
		buf := make([]byte, 1000)
		require.NoError(t, ear.SetReadDeadline(time.Now().Add(10*time.Second)))
		n, _, err := ear.ReadFrom(buf)
		require.NoError(t, err)
		return buf[:n]
	}
	at := func(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(d) } }
	good := say(scheduler.WakeConfig{Secret: "ours", UUID: "n1"}, 7*time.Millisecond)
	send := [][]byte{
		nil, []byte("dxf"), []byte("dxf wake"), []byte("dxf hold 1000"), []byte("dxf hold 1000 1 n1 00"), make([]byte, 60000),
		say(scheduler.WakeConfig{Secret: "theirs", UUID: "n1"}, time.Millisecond),
		say(scheduler.WakeConfig{Secret: "ours", UUID: "n2", Now: at(-6 * time.Second)}, time.Millisecond),
		say(scheduler.WakeConfig{Secret: "ours", UUID: "n2", Now: at(6 * time.Second)}, time.Millisecond),
		good, good, bytes.Replace(good, []byte("hold 7 "), []byte("hold 8 "), 1),
		good[:len(good)-1], append(bytes.Clone(good), '0'),
		say(scheduler.WakeConfig{Secret: "ours", UUID: "n3", Now: at(-3 * time.Second)}, 8*time.Millisecond),
		say(scheduler.WakeConfig{Secret: "ours", UUID: "n3", Now: at(-4 * time.Second)}, time.Millisecond),
		say(scheduler.WakeConfig{Secret: "ours", UUID: "n1"}, 9*time.Millisecond),
	}
	for _, b := range send {
		_, err := conn.Write(b)
		require.NoError(t, err)
	}
	var got []time.Duration
	for len(got) < 3 {
		select {
		case d := <-held:
			got = append(got, d)
		case <-time.After(10 * time.Second):
			t.Fatalf("heard %v only", got)
		}
	}
	require.Equal(t, []time.Duration{7 * time.Millisecond, 8 * time.Millisecond, 9 * time.Millisecond}, got)
	require.Empty(t, held)
}
