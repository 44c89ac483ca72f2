package protocol

// StatusFlags is the server status word that ends OK and EOF packets.
type StatusFlags uint16

// The status flags, by their names in the manuals.
const (
	StatusInTrans            StatusFlags = 0x0001
	StatusAutocommit         StatusFlags = 0x0002
	StatusMoreResults        StatusFlags = 0x0008
	StatusCursorExists       StatusFlags = 0x0040
	StatusLastRowSent        StatusFlags = 0x0080
	StatusNoBackslashEscapes StatusFlags = 0x0200
	StatusInTransReadOnly    StatusFlags = 0x2000
	StatusStateChanged       StatusFlags = 0x4000
	StatusANSIQuotes         StatusFlags = 0x8000 // MariaDB only

	// sessionStatus are the flags that say what the session is, not what the
	// last statement did. A reply of our own repeats these and no others.
	sessionStatus = StatusInTrans | StatusAutocommit | StatusNoBackslashEscapes | StatusInTransReadOnly | StatusANSIQuotes
)

// Has reports whether all of x are in s.
func (s StatusFlags) Has(x StatusFlags) bool { return s&x == x }
