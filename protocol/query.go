package protocol

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// Bounds of an answer to Query, which is held in memory. What Handlers ask for is
// small, but clients have a say in it: the WHERE of a SHOW may be theirs.
const (
	maxOwnAnswer = 16 << 20 // bytes, counted as they are held
	maxOwnRows   = 100_000

	// maxOwnRest is how much of an answer that is too long is read to its end, so
	// that the session can go on. What is longer still ends with the session.
	maxOwnRest = 64 << 20

	// cellSize is what a value takes beside its bytes: in the row, and its own
	// header.
	cellSize = 32
)

// errTooLong is the answer to a question that had too long a one.
var errTooLong = &Error{Code: errUnknown, Message: fmt.Sprintf(
	"dxfproxy keeps no more than %d MiB and %d rows of what the store answers here", maxOwnAnswer>>20, maxOwnRows)}

// Query runs a statement on the client's own session in the store and returns
// its first result; the Columns of a statement without rows are nil. A refusal
// is an *Error. Any other error ends the session when Handle returns.
//
// It changes what the client sees of its last statement: ROW_COUNT(),
// FOUND_ROWS(), warnings. When ctx ends because the query was killed, the store
// has killed this statement too, and Query returns what it says.
func (c *Conn) Query(ctx context.Context, sql string) (*ResultSet, error) {
	r := &ResultSet{}
	err := c.ask(ctx, append([]byte{comQuery}, c.textPrefix(sql)...), respQuery, r)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Ping shows the store that the session is alive, and learns its true status.
func (c *Conn) Ping(ctx context.Context) error {
	return c.ask(ctx, []byte{comPing}, respOne, &ResultSet{})
}

// textPrefix is sql with the empty set of query attributes in front, where
// those were agreed on.
func (c *Conn) textPrefix(sql string) string {
	if c.caps.Has(ClientQueryAttributes) {
		return "\x00\x01" + sql
	}
	return sql
}

// ask sends a command of our own on the client's session and reads the whole
// response.
func (c *Conn) ask(ctx context.Context, payload []byte, kind responseKind, r *ResultSet) error {
	if c.broken {
		return fmt.Errorf("%w: the session is broken", errStoreGone)
	}
	cut := func() {
		if !errors.Is(context.Cause(ctx), ErrQueryKilled) {
			_ = c.store.SetDeadline(past)
		}
	}
	stop := context.AfterFunc(ctx, cut)
	err := c.exchange(payload, kind, r)
	interrupted := !stop() && !errors.Is(context.Cause(ctx), ErrQueryKilled)
	var refusal *Error
	if err == nil || errors.As(err, &refusal) {
		c.broken = interrupted // the deadline may hit the next read instead
		if refusal != nil && refusal.Code == errQueryInterrupted {
			c.killed() // the victim may hear of it before the killer does
		}
		return err
	}
	c.broken = true
	if interrupted {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", errStoreGone, err)
}

// killed ends the Handle in flight as a KILL QUERY seen by the server does.
func (c *Conn) killed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel(ErrQueryKilled)
	}
}

func (c *Conn) exchange(payload []byte, kind responseKind, r *ResultSet) error {
	var seq byte
	if _, err := c.store.Write(appendPacket(nil, &seq, payload)); err != nil {
		return err
	}
	c.scan.reset(kind)
	br := bufio.NewReader(c.store)
	var refusal *Error
	var buf []byte
	left := maxOwnAnswer
	for first := true; ; {
		state := c.scan.state
		pkt, ev, err := c.readScanned(br, buf[:0], left+blockSize)
		if errors.Is(err, errTooLong) {
			return c.skipAnswer(br)
		}
		if err != nil {
			return err
		}
		buf = pkt
		body := pkt[headerSize:]
		switch {
		case ev == evUpload: // a store that asks for a file gets an empty one
			seq := pkt[3] + 1
			if _, err := c.store.Write(appendPacket(nil, &seq, nil)); err != nil {
				return err
			}
		case c.scan.Failed:
			refusal = parseError(body)
		case len(body) > 0 && body[0] == 0xff: // progress of a statement of ours
		case state == stDefs && first:
			col, err := parseColumn(body, c.caps)
			if err != nil {
				return err
			}
			r.Columns = append(r.Columns, col)
			left -= len(body) + cellSize
		case state == stRows && first && c.scan.state == stRows && ev == evMore:
			row, err := parseTextRow(body, len(r.Columns))
			if err != nil {
				return err
			}
			r.Rows = append(r.Rows, row)
			left -= len(body) + cellSize*len(row)
		case state == stRows:
			first = false // the end of the first result
		}
		if ev != evEnd && (left <= 0 || len(r.Rows) > maxOwnRows) {
			*r = ResultSet{}
			return c.skipAnswer(br)
		}
		if ev == evEnd {
			if refusal != nil {
				return refusal
			}
			return nil
		}
	}
}

// skipAnswer reads the rest of an answer that is too long.
func (c *Conn) skipAnswer(br *bufio.Reader) error {
	buf := make([]byte, chunkSize)
	for skipped := 0; skipped < maxOwnRest; {
		n, err := br.Read(buf)
		if err != nil {
			return err
		}
		skipped += n
		used, ev, err := c.scan.scan(buf[:n])
		switch {
		case err != nil:
			return err
		case ev == evEnd:
			return errTooLong
		case ev == evUpload || used < n:
			return errMalformed
		}
	}
	return errors.New("the rest of the answer is too long to be read")
}

// readScanned reads the next packet, with its continuations, through the
// scanner. The payload behind the header is in one piece, of at most limit bytes;
// of a longer one the header has been read.
func (c *Conn) readScanned(br *bufio.Reader, buf []byte, limit int) (pkt []byte, ev event, err error) {
	var head [headerSize]byte
	for part := 0; ; part++ {
		if _, err := io.ReadFull(br, head[:]); err != nil {
			return nil, 0, err
		}
		n := payloadLen(head[:])
		if len(buf)+n > limit {
			if _, _, err := c.scan.scan(head[:]); err != nil {
				return nil, 0, err
			}
			return nil, 0, errTooLong
		}
		if part == 0 {
			buf = append(buf, head[:]...)
		}
		at := len(buf)
		buf = append(buf, make([]byte, n)...)
		if _, err := io.ReadFull(br, buf[at:]); err != nil {
			return nil, 0, err
		}
		if _, ev, err = c.scan.scan(head[:]); err != nil {
			return nil, 0, err
		}
		if ev == evMore {
			if _, ev, err = c.scan.scan(buf[at:]); err != nil {
				return nil, 0, err
			}
		}
		if n < maxPayload {
			return buf, ev, nil
		}
	}
}

// parseTextRow reads a row of n columns into strings and nils.
func parseTextRow(b []byte, n int) ([]any, error) {
	c := cursor{b: b}
	row := make([]any, n)
	for i := range row {
		v := c.bytes()
		if c.bad {
			return nil, fmt.Errorf("row of %d columns: %w", n, errMalformed)
		}
		if v != nil {
			row[i] = string(v)
		}
	}
	return row, nil
}
