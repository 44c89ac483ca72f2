package protocol

// The commands that need more than forwarding, by their names in the manuals.
const (
	comQuit             byte = 0x01
	comQuery            byte = 0x03
	comFieldList        byte = 0x04
	comStatistics       byte = 0x09
	comProcessInfo      byte = 0x0a
	comProcessKill      byte = 0x0c
	comPing             byte = 0x0e
	comChangeUser       byte = 0x11
	comBinlogDump       byte = 0x12
	comStmtPrepare      byte = 0x16
	comStmtExecute      byte = 0x17
	comStmtSendLongData byte = 0x18
	comStmtClose        byte = 0x19
	comStmtReset        byte = 0x1a
	comSetOption        byte = 0x1b
	comStmtFetch        byte = 0x1c
	comBinlogDumpGTID   byte = 0x1e
	comResetConnection  byte = 0x1f
	comClone            byte = 0x20
	comSubscribeGroup   byte = 0x21
	comStmtBulkExecute  byte = 0xfa
)

// A responseKind is the shape of the answer to a command.
type responseKind uint8

const (
	respOne     responseKind = iota // one OK, EOF or ERR; the shape of every command we do not know
	respNone                        // nothing
	respQuery                       // OK, ERR, LOCAL INFILE dialog or result sets
	respCursor                      // the same to an execution that asked for a cursor
	respPrepare                     // COM_STMT_PREPARE_OK and its definitions
	respRows                        // rows or definitions up to an end packet, no count in front
	respString                      // one packet without a header byte
	respStream                      // packets without end: a tunnel
)

// cursorFlags are those of COM_STMT_EXECUTE that ask for a cursor.
const cursorFlags = 0x07

// executeKind is the kind of the response to a COM_STMT_EXECUTE with the given
// flags.
func executeKind(flags byte) responseKind {
	if flags&cursorFlags != 0 {
		return respCursor
	}
	return respQuery
}

// responses has the kind of every command byte, but of COM_CHANGE_USER: what follows that
// is an authentication exchange (see command).
var responses = func() (t [256]responseKind) {
	t[comQuit] = respNone
	t[comStmtSendLongData] = respNone
	t[comStmtClose] = respNone
	t[comQuery] = respQuery
	t[comProcessInfo] = respQuery
	t[comStmtExecute] = respQuery
	t[comStmtBulkExecute] = respQuery
	t[comStmtPrepare] = respPrepare
	t[comFieldList] = respRows
	t[comStmtFetch] = respRows
	t[comStatistics] = respString
	t[comBinlogDump] = respStream
	t[comBinlogDumpGTID] = respStream
	t[comClone] = respStream
	t[comSubscribeGroup] = respStream
	return t
}()
