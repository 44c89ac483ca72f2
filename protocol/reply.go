package protocol

import (
	"errors"
	"fmt"
	"time"
)

// timeNever as a deadline is none.
var timeNever time.Time

// send frames payload as the next packet of our own answer and sends it.
func (c *Conn) send(payload []byte) error {
	return c.write(func(dst []byte, seq *byte) []byte { return appendPacket(dst, seq, payload) })
}

// write sends packets of our own. They are numbered on from the request, of
// which intercepted ones are always a single packet numbered 0.
func (c *Conn) write(build func(dst []byte, seq *byte) []byte) error {
	seq := 1 + c.injected
	p := build(nil, &seq)
	c.injected = seq - 1
	c.next = seq
	if _, err := c.client.Write(p); err != nil {
		return fmt.Errorf("send a reply: %w", err)
	}
	return nil
}

func (c *Conn) sendOK(ok OK) error {
	c.warnings = ok.Warnings
	return c.send(appendOK(nil, c.caps, c.Status(), ok))
}

// sendError sends err as an ERR packet, with its own number if it has one.
func (c *Conn) sendError(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: errUnknown, Message: err.Error()}
	}
	c.warnings = []Warning{{Level: "Error", Code: e.Code, Message: e.Message}}
	return c.send(e.append(nil))
}

func (c *Conn) sendRows(r *ResultSet, binaryRows bool) error {
	if len(r.Columns) == 0 {
		return c.sendError(errors.New("handler answered with rows of no columns"))
	}
	var bad error
	err := c.write(func(dst []byte, seq *byte) []byte {
		first := *seq
		p, err := r.append(dst, seq, c.caps, c.Status(), binaryRows)
		if err != nil {
			bad, *seq = err, first
		}
		return p
	})
	if bad != nil {
		return c.sendError(bad)
	}
	return err
}

// Progress tells a client that asked for it how far its statement is: stage of
// maxStage, percent of the stage, and a few words. To other clients nothing is
// sent. For use while Handle runs.
func (c *Conn) Progress(stage, maxStage uint8, percent float64, info string) error {
	if !c.caps.Has(MariaDBClientProgress) {
		return nil
	}
	return c.send(appendProgress(nil, stage, maxStage, percent, info))
}
