package scheduler_test

import (
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

func TestWakerHolds(t *testing.T) {
	defer goleak.VerifyNone(t)
	heard := make(chan time.Duration, 2)
	b, err := scheduler.ListenWake("127.0.0.1:0", func() { t.Error("woken, but nobody told it") }, func(d time.Duration) { heard <- d })
	require.NoError(t, err)
	defer b.Close()
	a, err := scheduler.ListenWake("127.0.0.1:0", func() {}, noHold)
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
	b, err := scheduler.ListenWake("127.0.0.1:0", func() { heard <- struct{}{} }, noHold)
	require.NoError(t, err)
	defer b.Close()
	a, err := scheduler.ListenWake("127.0.0.1:0", func() { t.Error("woken, but nobody told it") }, noHold)
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
	a, err := scheduler.ListenWake("127.0.0.1:0", func() {}, noHold)
	require.NoError(t, err)
	defer a.Close()
	b, err := scheduler.ListenWake(a.Addr(), func() {}, noHold)
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
	w, err := scheduler.ListenWake("127.0.0.1:0", func() {
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
	for _, junk := range []string{"", "dxf", "dxf wake!", "dxf wake and much more", "dxf hold", "dxf hold ", "dxf hold -1", "dxf hold 99999", "dxf hold 5s"} {
		_, err = conn.Write([]byte(junk))
		require.NoError(t, err)
	}
	start := time.Now()
	for range 2000 {
		_, err = conn.Write([]byte("dxf wake"))
		require.NoError(t, err)
	}
	<-first
	require.NoError(t, w.Close())
	most := int64(time.Since(start)/(20*time.Millisecond)) + 1
	require.LessOrEqual(t, calls.Load(), most)
}
