package protocol

import (
	"encoding/binary"
	"fmt"
)

const (
	// firstLocalID is where ids of prepared statements of our own start. Servers
	// count from 1 for each session and never get there.
	firstLocalID = 0x7f000000

	// lastPreparedID stands for the statement prepared last (MariaDB).
	lastPreparedID = 0xffffffff
)

// prepared is a prepared statement whose executions the Handler is asked about.
type prepared struct {
	id    uint32
	sql   []byte
	local bool // the store does not know it
}

// What is kept of prepared statements is their clients' to choose: statements of ours cost
// the store nothing, whose max_prepared_stmt_count bounds all others.
const (
	maxKept     = 1 << 20  // bytes of one session
	maxKeptAll  = 64 << 20 // of all sessions
	keptForSure = 16 << 10 // of a session, whatever others keep
	keptBeside  = 256      // of a statement, beside its text
)

var errTooManyPrepared = &Error{
	Code: errMaxPrepared, State: "42000",
	Message: fmt.Sprintf("Can't create more prepared statements: "+
		"dxfproxy keeps %d KiB of those that it answers for a session, and %d MiB for all", maxKept>>10, maxKeptAll>>20),
}

// keep takes the room for a prepared statement of ours, and reports whether there is some.
func (c *Conn) keep(sql []byte) bool {
	n := int64(len(sql) + keptBeside)
	if c.kept+n > maxKept {
		return false
	}
	if c.server.kept.Add(n) > maxKeptAll && c.kept+n > keptForSure {
		c.server.kept.Add(-n)
		return false
	}
	c.kept += n
	return true
}

// keepNoMore gives the room back.
func (c *Conn) keepNoMore(sql []byte) {
	n := int64(len(sql) + keptBeside)
	c.kept -= n
	c.server.kept.Add(-n)
}

// forgetPrepared forgets all prepared statements.
func (c *Conn) forgetPrepared() {
	c.server.kept.Add(-c.kept)
	c.stmts, c.last, c.kept = nil, nil, 0
}

// prepare relays or answers a COM_STMT_PREPARE.
func (c *Conn) prepare(n int) error {
	c.last = nil
	sql, err := c.text(n, false)
	if err != nil {
		return err
	}
	if !c.matches(sql) {
		return c.relay(respPrepare)
	}
	pkt := c.takePacket(n)
	at := len(pkt) - len(sql)
	stmt := Statement{SQL: pkt[at:], Status: c.Status(), Prepared: true}
	reply, err := c.handle(stmt)
	if err != nil {
		return err
	}
	switch r := reply.(type) {
	case nil:
		return c.pass(pkt, respPrepare, nil)
	case Forward:
		return c.pass(pkt, respPrepare, r.Done)
	case ForwardSQL:
		return c.pass(replaceText(pkt, at, r.SQL), respPrepare, r.Done)
	case OnExecute:
		if !c.keep(stmt.SQL) {
			return c.sendError(errTooManyPrepared)
		}
		err := c.pass(pkt, respPrepare, nil)
		if err != nil || c.scan.Failed || c.scan.Params > 0 {
			c.keepNoMore(stmt.SQL)
			return err
		}
		c.remember(&prepared{id: c.scan.StmtID, sql: stmt.SQL})
		return nil
	case Local:
		if !c.keep(stmt.SQL) {
			return c.sendError(errTooManyPrepared)
		}
		c.lastLocal++
		p := &prepared{id: c.lastLocal, sql: stmt.SQL, local: true}
		c.remember(p)
		return c.sendPrepared(p, r.Columns)
	case *Error:
		return c.sendError(r)
	}
	return c.sendError(fmt.Errorf("handler answered a prepare with %T", reply))
}

func (c *Conn) remember(p *prepared) {
	if c.stmts == nil {
		c.stmts = make(map[uint32]*prepared)
	}
	if old := c.stmts[p.id]; old != nil { // the store has it no more
		c.keepNoMore(old.sql)
	}
	c.stmts[p.id] = p
	c.last = p
}

// sendPrepared answers COM_STMT_PREPARE_OK with no parameters.
func (c *Conn) sendPrepared(p *prepared, cols []Column) error {
	return c.write(func(dst []byte, seq *byte) []byte {
		ok := binary.LittleEndian.AppendUint32([]byte{0x00}, p.id)
		ok = binary.LittleEndian.AppendUint16(ok, uint16(len(cols)))
		ok = append(ok, 0, 0, 0, 0, 0) // parameters, filler, warnings
		dst = appendPacket(dst, seq, ok)
		if len(cols) == 0 {
			return dst
		}
		return appendDefinitions(dst, seq, c.caps, c.Status(), cols)
	})
}

// statement relays or answers a command about a prepared statement, of a
// session that has some the Handler is asked about.
func (c *Conn) statement(cmd byte, n int) error {
	if n < 5 {
		return c.relay(responses[cmd])
	}
	if err := c.need(headerSize + 5); err != nil {
		return err
	}
	id := binary.LittleEndian.Uint32(c.in[c.r+headerSize+1:])
	p := c.stmts[id]
	if id == lastPreparedID {
		p = c.last
	}
	if p == nil && cmd == comStmtExecute {
		return c.relayExecute(n)
	}
	if p == nil {
		return c.relay(responses[cmd])
	}
	if cmd == comStmtClose {
		delete(c.stmts, p.id)
		c.keepNoMore(p.sql)
		if c.last == p {
			c.last = nil
		}
	}
	if cmd == comStmtExecute && n <= maxCandidate-headerSize {
		if err := c.need(headerSize + n); err != nil {
			return err
		}
		return c.execute(p, c.takePacket(n))
	}
	if !p.local {
		return c.relay(responses[cmd])
	}
	return c.localStatement(cmd)
}

// relayExecute relays a COM_STMT_EXECUTE nobody need be asked about.
func (c *Conn) relayExecute(n int) error {
	const flagsAt = headerSize + 5
	if n <= 5 {
		return c.relay(respQuery)
	}
	if err := c.need(flagsAt + 1); err != nil {
		return err
	}
	return c.relay(executeKind(c.in[c.r+flagsAt]))
}

// execute asks the Handler about the execution of a prepared statement.
func (c *Conn) execute(p *prepared, pkt []byte) error {
	reply, err := c.handle(Statement{SQL: p.sql, Status: c.Status()})
	if err != nil {
		return err
	}
	switch reply.(type) {
	case nil, Forward:
		done := func(bool) {}
		if f, ok := reply.(Forward); ok && f.Done != nil {
			done = f.Done
		}
		if p.local {
			return c.sendError(unsupportedPrepared)
		}
		kind := respQuery
		if len(pkt) > headerSize+5 {
			kind = executeKind(pkt[headerSize+5])
		}
		return c.pass(pkt, kind, done)
	case ForwardSQL:
		return c.sendError(unsupportedPrepared)
	}
	return c.answer(reply, true)
}

var unsupportedPrepared = &Error{
	Code: errUnsupportedPrepared, Message: "This command is not supported in the prepared statement protocol yet",
}

// localStatement answers a command about a statement the store does not know.
func (c *Conn) localStatement(cmd byte) error {
	if err := c.discard(); err != nil {
		return err
	}
	switch cmd {
	case comStmtSendLongData, comStmtClose:
		return nil // no answer is defined
	case comStmtReset:
		return c.send(appendOK(nil, c.caps, c.Status(), OK{}))
	case comStmtFetch:
		return c.sendError(&Error{Code: errNoCursor, Message: "The statement has no open cursor"})
	}
	return c.sendError(unsupportedPrepared)
}

// discard passes the request at the head of the buffer without forwarding it.
func (c *Conn) discard() error {
	for {
		if err := c.need(headerSize); err != nil {
			return err
		}
		n := payloadLen(c.buffered())
		c.r += headerSize
		for left := n; left > 0; {
			k := min(left, c.w-c.r)
			if k == 0 {
				c.r, c.w = 0, 0
				if err := c.readMore(); err != nil {
					return err
				}
				continue
			}
			c.r += k
			left -= k
		}
		if n < maxPayload {
			return nil
		}
	}
}
