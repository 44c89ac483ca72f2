package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// An authExchange is an authentication under way: what follows the client's
// handshake response, or its COM_CHANGE_USER, up to the store's OK or ERR. Who
// speaks next is the plugins' business, so nobody's turn is assumed: after the
// store's first question packets are copied both ways as they come.
//
// One plugin needs more than copying: caching_sha2_password sends a password in
// the clear where the connection is secure, and encrypts it with the server's
// RSA key where it is not. Where only one leg is secure the relay translates,
// see sha2.go.
type authExchange struct {
	c      *Conn
	plugin string // whose packets these are
	seq    byte   // number of the last packet to or from the store
	over   bool   // the store has said OK or ERR
	// compress: the client will, after the login.
	compress bool

	// The copier of the client's packets; nil until it is needed.
	done     chan struct{}
	stopping atomic.Bool

	mu       sync.Mutex
	shift    byte // the client's sequence numbers are higher than the store's by this
	step     sha2Step
	password []byte // of the client, until the store's key is there
}

// run relays packets until the store says OK or ERR.
func (a *authExchange) run() (ok bool, err error) {
	defer a.stop()
	c := a.c
	buf := make([]byte, 0, 256)
	for {
		pkt, err := readPacket(c.store, buf, maxLoginPacket)
		if err != nil {
			return false, fmt.Errorf("%w: read an authentication packet: %w", errStoreGone, err)
		}
		if len(pkt) == headerSize {
			return false, fmt.Errorf("empty authentication packet: %w", errMalformed)
		}
		// Plugins' own data never starts with 00 or ff: it is escaped with 01.
		verdict := pkt[headerSize] == 0x00 || pkt[headerSize] == 0xff
		a.seq, a.over = pkt[3], verdict
		if verdict {
			// Before the client reads the verdict, so that its next command
			// cannot be taken for an answer to a plugin.
			a.stop()
		}
		var refusal *Error
		if pkt[headerSize] == 0xff {
			refusal = parseError(pkt[headerSize:])
		}
		if err := a.fromStore(pkt); err != nil {
			return false, err
		}
		if verdict {
			if refusal != nil {
				c.server.loginRefused(c, refusal)
				return false, nil
			}
			return true, c.scan.ok(pkt[headerSize:])
		}
		a.start()
		buf = pkt
	}
}

// abandonWait is how long the store may take for its verdict before it is thought
// to wait for an answer.
const abandonWait = 200 * time.Millisecond

// abandon brings an authentication to its end that the client has not waited for,
// so that the store sees a refused login and not an interrupted one.
func (a *authExchange) abandon() {
	if a.over {
		return
	}
	if err := refuseRest(a.c.store, a.plugin, a.seq+1, abandonWait); err != nil {
		a.c.server.interrupted()
	}
}

// fromStore relays a packet to the client, or uses it up.
func (a *authExchange) fromStore(pkt []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	payload := pkt[headerSize:]
	if payload[0] == 0xfe && len(payload) > 1 {
		a.plugin, a.c.salt = parseAuthSwitch(payload)
		a.c.salt, a.step = bytes.Clone(a.c.salt), sha2Idle
	}
	if used, err := a.translateFromStore(pkt); used || err != nil {
		return err
	}
	pkt[3] += a.shift
	if _, err := a.c.client.Write(pkt); err != nil {
		return fmt.Errorf("send an authentication packet: %w", err)
	}
	return nil
}

// fromClient relays a packet to the store, or uses it up.
func (a *authExchange) fromClient(pkt []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if used, err := a.translateFromClient(pkt); used || err != nil {
		return err
	}
	pkt[3] -= a.shift
	_, err := a.c.store.Write(pkt)
	return err
}

// start starts copying the client's packets.
func (a *authExchange) start() {
	if a.done == nil {
		a.done = make(chan struct{})
		go func() {
			defer close(a.done)
			if err := a.copyClient(); err != nil {
				_ = a.c.store.SetReadDeadline(past) // nothing more will be asked or answered
			}
		}()
	}
}

// copyClient relays the client's packets until it is stopped, which is no error.
// What of a packet has come by then stays in the request buffer.
func (a *authExchange) copyClient() error {
	c := a.c
	for total := 0; total < maxLoginBytes; {
		want := headerSize
		if b := c.buffered(); len(b) >= headerSize {
			if want += payloadLen(b); want > maxLoginPacket {
				return errMalformed
			}
		}
		if c.w-c.r >= headerSize && c.w-c.r >= want {
			if err := a.fromClient(c.in[c.r : c.r+want]); err != nil {
				return err
			}
			c.r += want
			total += want
			continue
		}
		c.room(want)
		if err := c.read(); err != nil {
			if a.stopping.Load() {
				return nil
			}
			if !errors.Is(err, errWoken) {
				return err
			}
		}
	}
	return errMalformed
}

// stop ends the copier and waits for it.
func (a *authExchange) stop() {
	if a.done == nil || !a.stopping.CompareAndSwap(false, true) {
		return
	}
	client := a.c.client
	_ = client.SetReadDeadline(past)
	<-a.done
	_ = client.SetReadDeadline(time.Time{})
	if a.c.cut.Load() {
		_ = client.SetReadDeadline(past)
	}
}
