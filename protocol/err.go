package protocol

import "fmt"

// Error numbers the relay itself answers with, as in the servers' manuals.
const (
	errTooManyConnections  = 1040 // ER_CON_COUNT_ERROR
	errHandshake           = 1043 // ER_HANDSHAKE_ERROR
	errServerShutdown      = 1053 // ER_SERVER_SHUTDOWN
	errUnknown             = 1105 // ER_UNKNOWN_ERROR
	errHostBlocked         = 1129 // ER_HOST_IS_BLOCKED
	errUnsupportedPrepared = 1295 // ER_UNSUPPORTED_PS
	errQueryInterrupted    = 1317 // ER_QUERY_INTERRUPTED
	errNoCursor            = 1421 // ER_STMT_HAS_NO_OPEN_CURSOR
	errMaxPrepared         = 1461 // ER_MAX_PREPARED_STMT_COUNT_REACHED
	errTLSRequired         = 3159 // ER_SECURE_TRANSPORT_REQUIRED

	// ER_SERVER_SHUTDOWN: the server drivers asked for is not there. Not what a client
	// would say by itself (CR_CONN_HOST_ERROR, 2003), for the reason below.
	errStoreUnreachable = 1053
	// ER_CONNECTION_KILLED. Not CR_SERVER_LOST (2013), what a client would say by
	// itself: libmariadb takes a packet with a client's number for malformed (2027).
	errServerLost = 1927
	errTLS        = 2026 // CR_SSL_CONNECTION_ERROR

	// progressCode marks an ERR packet that is a progress report (MariaDB).
	progressCode = 0xffff
)

// Error is an ERR packet: from the store, or for the client.
type Error struct {
	Code    uint16
	State   string // SQLSTATE, five characters; empty is HY000
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%d (%s): %s", e.Code, e.state(), e.Message)
}

func (e *Error) state() string {
	if len(e.State) != 5 {
		return "HY000"
	}
	return e.State
}

// append appends the payload of the ERR packet.
func (e *Error) append(dst []byte) []byte {
	dst = append(dst, 0xff, byte(e.Code), byte(e.Code>>8), '#')
	dst = append(dst, e.state()...)
	return append(dst, e.Message...)
}

// appendEarly appends the payload as it must be before the client has answered
// a greeting: it has not agreed to SQLSTATEs yet.
func (e *Error) appendEarly(dst []byte) []byte {
	dst = append(dst, 0xff, byte(e.Code), byte(e.Code>>8))
	return append(dst, e.Message...)
}

// parseError reads the payload of an ERR packet.
func parseError(b []byte) *Error {
	c := cursor{b: b}
	c.u8()
	e := &Error{Code: c.u16(), State: "HY000"}
	if len(c.b) >= 6 && c.b[0] == '#' {
		e.State = string(c.b[1:6])
		c.take(6)
	}
	e.Message = string(c.rest())
	return e
}
