package protocol

import (
	"fmt"
	"io"
	"time"
)

// respond relays the response to a request whose last fragment had the given
// sequence number: one read and one write a chunk, until the scanner sees the
// end.
func (c *Conn) respond(kind responseKind, requestSeq byte) error {
	c.scan.reset(kind)
	c.scan.shift = c.injected
	c.next, c.asked = requestSeq+1+c.injected, true

	small := chunks.Get().(*chunk)
	defer chunks.Put(small)
	buf := small[:]
	var large *block
	defer func() {
		if large != nil {
			blocks.Put(large)
		}
	}()

	for first := true; ; first = false {
		n, err := c.store.Read(buf)
		if n == 0 {
			if err == nil || c.passHangUp(err) {
				continue
			}
			if c.cut.Load() {
				return c.cutFor()
			}
			return fmt.Errorf("%w: read a response: %w", errStoreGone, err)
		}
		if first && n > headerSize && buf[3] == 0 && buf[headerSize] == 0xff && requestSeq+1 != 0 {
			buf[3] = requestSeq + 1 // said before the request came, see lastWords
		}
		used, ev, scanErr := c.scan.scan(buf[:n])
		c.next = 0
		if _, err := c.client.Write(buf[:used]); err != nil {
			return fmt.Errorf("send a response: %w", err)
		}
		c.bytesOut.Add(uint64(used))
		if scanErr != nil {
			return scanErr
		}
		switch ev {
		case evEnd:
			c.extra = append(c.extra[:0], buf[used:n]...)
			return nil
		case evUpload:
			if used < n {
				return fmt.Errorf("%d bytes behind an upload request: %w", n-used, errMalformed)
			}
			if _, err := c.upload(); err != nil {
				return err
			}
		}
		if n == chunkSize && large == nil {
			large = blocks.Get().(*block)
			buf = large[:]
		}
	}
}

// tunnel forwards the request and then bytes both ways until one side closes:
// what follows, such as a binlog, has no end to look for.
func (c *Conn) tunnel() error {
	if _, err := c.forward(); err != nil {
		return err
	}
	if _, err := c.store.Write(c.buffered()); err != nil {
		return fmt.Errorf("%w: %w", errStoreGone, err)
	}
	c.r, c.w = 0, 0
	if c.draining.Load() {
		return errDrained // no transaction to wait for
	}
	up := make(chan error, 1)
	go func() {
		_, err := io.Copy(c.store, c.client)
		_ = c.store.SetDeadline(time.Now().Add(lastWordsWait)) // a client may close its half and read on
		up <- err
	}()
	_, err := io.Copy(c.client, c.store)
	_ = c.client.SetDeadline(past)
	<-up
	_ = c.client.SetWriteDeadline(time.Time{})
	if err == nil {
		err = errQuit
	}
	return err
}
