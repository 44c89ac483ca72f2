package protocol

import "fmt"

// An event is what a chunk of a response led to.
type event uint8

const (
	evMore   event = iota // the response goes on
	evEnd                 // the response is complete
	evUpload              // the server asked for a file; its answer follows the client's upload
)

// A scanState is the packet a scanner expects next.
type scanState uint8

const (
	stFirst    scanState = iota // first packet of a result: OK, ERR, upload request or column count
	stOne                       // the only packet: OK, EOF or ERR
	stString                    // the only packet, of any content
	stDefs                      // a column definition of a result set
	stDefsEOF                   // the EOF behind them, without DEPRECATE_EOF
	stRows                      // a row, or the end of the rows
	stPrepare                   // COM_STMT_PREPARE_OK or ERR
	stPrepDefs                  // a parameter or column definition of a prepared statement
	stPrepEOF                   // the EOF behind them, without DEPRECATE_EOF
)

// scanPeek is how many payload bytes of a packet the scanner may have to see:
// header byte, two length-encoded integers and two words of an OK packet.
const scanPeek = 1 + 9 + 9 + 2 + 2

// A scanner follows a response through chunks cut at any byte, and tells where
// it ends. It copies nothing but a packet header split between two chunks, and
// it allocates nothing.
type scanner struct {
	caps  Capability
	shift byte // added to the sequence number of every packet passed

	state   scanState
	cursor  bool  // a cursor was asked for
	last    bool  // no result may follow the rows, whatever the flags say
	pending event // what the end of the current packet means
	inside  bool  // between the start of a packet and its end
	more    bool  // the current fragment is full, so another continues it
	left    int   // payload bytes of the current fragment still to come
	defs    uint64
	params  int // of the prepared statement: definition groups still to come
	columns int

	carry  [headerSize + scanPeek]byte
	ncarry int

	// What the response said. Status is the session's and survives reset.
	Status   StatusFlags
	Warnings uint16
	Failed   bool   // it ended with ERR
	Code     uint16 // of that ERR
	StmtID   uint32 // of COM_STMT_PREPARE_OK
	Params   int
}

// reset prepares for the response to the next command.
func (s *scanner) reset(kind responseKind) {
	s.pending, s.inside, s.more, s.left, s.ncarry = evMore, false, false, 0, 0
	s.defs, s.params, s.columns, s.shift = 0, 0, 0, 0
	s.Warnings, s.Failed, s.Code, s.StmtID, s.Params = 0, false, 0, 0, 0
	s.last, s.cursor = false, kind == respCursor
	switch kind {
	case respQuery, respCursor:
		s.state = stFirst
	case respPrepare:
		s.state = stPrepare
	case respRows:
		s.state, s.last = stRows, true
	case respString:
		s.state = stString
	default:
		s.state = stOne
	}
}

// scan takes the next chunk and returns how many of its bytes belong to the
// response. With evMore that is all of them. It changes p only where shift asks
// for other sequence numbers.
func (s *scanner) scan(p []byte) (n int, ev event, err error) {
	i := 0
	for {
		if s.left > 0 {
			k := min(s.left, len(p)-i)
			i += k
			s.left -= k
			if s.left > 0 {
				return i, evMore, nil
			}
		}
		if s.inside && !s.more {
			s.inside = false
			if ev := s.pending; ev != evMore {
				s.pending = evMore
				return i, ev, nil
			}
		}
		if s.state == stRows && s.ncarry == 0 && !s.inside && s.shift == 0 {
			i = skipRows(p, i)
		}
		if i == len(p) {
			return i, evMore, nil
		}

		var length int
		var peek []byte
		if s.ncarry == 0 && len(p)-i >= headerSize && len(p)-i >= s.want(payloadLen(p[i:])) {
			want := s.want(payloadLen(p[i:]))
			length, peek = payloadLen(p[i:]), p[i+headerSize:i+want]
			p[i+3] += s.shift
			i += headerSize
			s.left = length
		} else {
			// Split between chunks: gather it, first the header, then what the
			// length in it says must be seen.
			want := headerSize
			for {
				if s.ncarry >= headerSize {
					want = s.want(payloadLen(s.carry[:]))
				}
				if s.ncarry >= want || i == len(p) {
					break
				}
				s.carry[s.ncarry] = p[i]
				if s.ncarry == 3 {
					p[i] += s.shift
				}
				s.ncarry++
				i++
			}
			if s.ncarry < want {
				return i, evMore, nil
			}
			length, peek = payloadLen(s.carry[:]), s.carry[headerSize:want]
			s.left = length - len(peek)
			s.ncarry = 0
		}

		continues := s.inside
		s.inside, s.more = true, length == maxPayload
		if !continues {
			if err := s.start(length, peek); err != nil {
				return i, evMore, err
			}
		}
	}
}

// want is how many bytes of a packet, header included, start must see at once.
func (s *scanner) want(length int) int {
	if s.inside {
		return headerSize // a continuation is not looked at
	}
	return headerSize + min(length, scanPeek)
}

// skipRows passes the rows that lie whole in p from i on. It stops at anything
// that is not certainly a row.
func skipRows(p []byte, i int) int {
	for len(p)-i > headerSize {
		n := int(p[i]) | int(p[i+1])<<8 | int(p[i+2])<<16
		if n == 0 || n == maxPayload || n > len(p)-i-headerSize || p[i+headerSize] >= 0xfe {
			break
		}
		i += headerSize + n
	}
	return i
}

// start looks at the first bytes b of a packet of the given length and decides
// what it is and what follows it.
func (s *scanner) start(length int, b []byte) error {
	if s.state == stString {
		s.pending = evEnd
		return nil
	}
	if length == 0 {
		return fmt.Errorf("empty packet in a response: %w", errMalformed)
	}
	if b[0] == 0xff {
		return s.failed(b)
	}
	switch s.state {
	case stFirst:
		return s.first(b)

	case stOne:
		s.pending = evEnd
		switch b[0] {
		case 0x00:
			return s.ok(b)
		case 0xfe:
			return s.eof(length, b)
		}
		return fmt.Errorf("response starts with %#02x, want OK, EOF or ERR: %w", b[0], errMalformed)

	case stDefs:
		if s.defs--; s.defs == 0 {
			s.afterDefs()
		}

	case stDefsEOF:
		if b[0] != 0xfe {
			return fmt.Errorf("definitions end with %#02x, want EOF: %w", b[0], errMalformed)
		}
		if err := s.eof(length, b); err != nil {
			return err
		}
		// With an open cursor there are no rows here: COM_STMT_FETCH brings
		// them. The flag alone says little: cursors inside a procedure raise it
		// for the results of a CALL.
		s.state = stRows
		if s.cursor && s.Status.Has(StatusCursorExists) && !s.Status.Has(StatusMoreResults) {
			s.pending = evEnd
		}

	case stRows:
		if b[0] == 0xfe && s.endsRows(length) {
			if err := s.eof(length, b); err != nil {
				return err
			}
			s.endResult()
		}

	case stPrepare:
		c := cursor{b: b}
		if c.u8() != 0 {
			return fmt.Errorf("answer to a prepare starts with %#02x: %w", b[0], errMalformed)
		}
		s.StmtID = c.u32()
		s.columns, s.params = int(c.u16()), int(c.u16())
		s.Params = s.params
		if c.bad {
			return fmt.Errorf("answer to a prepare of %d bytes: %w", length, errMalformed)
		}
		s.nextGroup()

	case stPrepDefs:
		if s.defs--; s.defs == 0 {
			if s.caps.Has(ClientDeprecateEOF) {
				s.nextGroup()
			} else {
				s.state = stPrepEOF
			}
		}

	case stPrepEOF:
		s.nextGroup()
	}
	return nil
}

// first reads the first packet of a result.
func (s *scanner) first(b []byte) error {
	switch b[0] {
	case 0x00:
		if err := s.ok(b); err != nil {
			return err
		}
		s.endResult()
		return nil
	case 0xfb:
		if !s.caps.Has(ClientLocalFiles) {
			return fmt.Errorf("store asks for a file of a client that gives none: %w", errMalformed)
		}
		s.pending = evUpload
		return nil
	}
	c := cursor{b: b}
	s.defs = c.count()
	if c.bad || s.defs == 0 {
		return fmt.Errorf("column count starts with %#02x: %w", b[0], errMalformed)
	}
	s.state = stDefs
	if s.caps.Has(MariaDBClientCacheMetadata) && len(c.b) > 0 && c.u8() == 0 {
		s.afterDefs() // the client has the definitions from an earlier execution
	}
	return nil
}

// afterDefs moves from the last definition to what follows it.
func (s *scanner) afterDefs() {
	if s.caps.Has(ClientDeprecateEOF) {
		s.state = stRows
	} else {
		s.state = stDefsEOF
	}
}

// endsRows tells an end packet from a row whose first field is so long that its
// length takes 0xFE and eight bytes.
func (s *scanner) endsRows(length int) bool {
	if s.caps.Has(ClientDeprecateEOF) {
		return length < maxPayload
	}
	return length < 9
}

// endResult ends the response, or one of its results.
func (s *scanner) endResult() {
	if s.Status.Has(StatusMoreResults) && !s.last {
		s.state = stFirst
		return
	}
	s.pending = evEnd
}

// nextGroup moves to the next definitions of a prepared statement.
func (s *scanner) nextGroup() {
	s.state = stPrepDefs
	switch {
	case s.params > 0:
		s.defs, s.params = uint64(s.params), 0
	case s.columns > 0:
		s.defs, s.columns = uint64(s.columns), 0
	default:
		s.pending = evEnd
	}
}

// failed reads an ERR packet. One with code 0xFFFF is a progress report to a
// client that asked for those, and the response goes on behind it.
func (s *scanner) failed(b []byte) error {
	c := cursor{b: b[1:]}
	code := c.u16()
	if c.bad {
		return fmt.Errorf("ERR of %d bytes: %w", len(b), errMalformed)
	}
	if code == progressCode && s.caps.Has(MariaDBClientProgress) {
		return nil
	}
	s.Failed, s.Code, s.pending = true, code, evEnd
	return nil
}

// ok reads an OK packet, or an EOF packet in the shape of one.
func (s *scanner) ok(b []byte) error {
	c := cursor{b: b[1:]}
	c.count() // affected rows
	c.count() // last insert id
	status := StatusFlags(c.u16())
	warnings := c.u16()
	if c.bad {
		return fmt.Errorf("OK of %d bytes: %w", len(b), errMalformed)
	}
	s.Status, s.Warnings = status, warnings
	return nil
}

// eof reads an end packet. Five bytes are the classic shape, which some servers
// send even with DEPRECATE_EOF (MySQL bug 83346).
func (s *scanner) eof(length int, b []byte) error {
	if s.caps.Has(ClientDeprecateEOF) && length >= 7 {
		return s.ok(b)
	}
	c := cursor{b: b[1:]}
	warnings := c.u16()
	status := StatusFlags(c.u16())
	if c.bad {
		return fmt.Errorf("EOF of %d bytes: %w", length, errMalformed)
	}
	s.Status, s.Warnings = status, warnings
	return nil
}
