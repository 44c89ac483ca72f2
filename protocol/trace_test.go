package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "capture testdata/trace from the test server again")

// A trace is a conversation after the login, with the capabilities both sides
// agreed on.
type trace struct {
	caps    Capability
	packets []rawPacket
}

// String prints a trace: one readable line a packet, its payload in hexadecimal
// below.
func (tr trace) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "caps %#x\n", uint64(tr.caps))
	s := &scanner{caps: tr.caps}
	for _, p := range tr.packets {
		if p.fromClient {
			if p.seq == 0 {
				s.reset(p.kind())
			}
			fmt.Fprintf(&b, "\nC %d %s\n", p.seq, describeRequest(p))
		} else {
			state := s.state
			seq := p.seq
			_, ev, err := s.scan(appendPacket(nil, &seq, p.payload))
			fmt.Fprintf(&b, "S %d %s", p.seq, describeResponse(state, s, p.payload))
			switch {
			case err != nil:
				fmt.Fprintf(&b, " !! %v", err)
			case ev == evEnd:
				b.WriteString(" [end]")
			}
			b.WriteByte('\n')
		}
		for line := range slices.Chunk(p.payload, 32) {
			fmt.Fprintf(&b, "  %s\n", hex.EncodeToString(line))
		}
	}
	return b.String()
}

var commandNames = map[byte]string{
	0x02: "INIT_DB", comQuery: "QUERY", comFieldList: "FIELD_LIST", comStatistics: "STATISTICS", comProcessInfo: "PROCESS_INFO",
	0x0d: "DEBUG", comPing: "PING", comStmtPrepare: "STMT_PREPARE", comStmtExecute: "STMT_EXECUTE",
	comStmtSendLongData: "STMT_SEND_LONG_DATA", comStmtClose: "STMT_CLOSE", comStmtReset: "STMT_RESET",
	comSetOption: "SET_OPTION", comStmtFetch: "STMT_FETCH", comResetConnection: "RESET_CONNECTION", comStmtBulkExecute: "STMT_BULK_EXECUTE",
}

// kind is the kind of the response to a command.
func (p rawPacket) kind() responseKind {
	switch {
	case len(p.payload) == 0:
		return respOne
	case p.payload[0] == comStmtExecute:
		return executeKind(p.payload[5])
	}
	return responses[p.payload[0]]
}

func describeRequest(p rawPacket) string {
	if p.seq > 0 {
		return fmt.Sprintf("file data, %d bytes", len(p.payload))
	}
	if len(p.payload) == 0 {
		return "nothing"
	}
	name, ok := commandNames[p.payload[0]]
	if !ok {
		name = fmt.Sprintf("command %#02x", p.payload[0])
	}
	switch p.payload[0] {
	case comQuery, comStmtPrepare, 0x02, comFieldList:
		return fmt.Sprintf("%s %q", name, p.payload[1:])
	case comStmtExecute, comStmtClose, comStmtReset, comStmtFetch, comStmtBulkExecute, comStmtSendLongData:
		return fmt.Sprintf("%s id %#x", name, binary.LittleEndian.Uint32(p.payload[1:]))
	}
	return name
}

func describeResponse(state scanState, s *scanner, b []byte) string {
	flags := func() string { return fmt.Sprintf("status %#04x, %d warnings", uint16(s.Status), s.Warnings) }
	switch {
	case state == stString:
		return fmt.Sprintf("text %q", b)
	case len(b) == 0:
		return "nothing"
	case b[0] == 0xff && !s.Failed:
		return fmt.Sprintf("progress, stage %d of %d: %q", b[4], b[5], b[10:])
	case b[0] == 0xff:
		e := parseError(b)
		return fmt.Sprintf("ERR %d %s %q", e.Code, e.State, e.Message)
	}
	switch state {
	case stFirst, stOne:
		switch b[0] {
		case 0x00:
			return "OK " + flags()
		case 0xfb:
			return fmt.Sprintf("wants file %q", b[1:])
		case 0xfe:
			return "EOF " + flags()
		}
		if s.state == stDefs {
			return fmt.Sprintf("%d columns", s.defs)
		}
		return "columns, definitions skipped"
	case stDefs, stPrepDefs:
		col, err := parseColumn(b, s.caps)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("column %q type %d", col.Name, col.Type)
	case stDefsEOF, stPrepEOF:
		return "EOF behind the definitions"
	case stPrepare:
		return fmt.Sprintf("prepared, id %d, %d parameters", s.StmtID, s.Params)
	}
	if b[0] == 0xfe && len(b) < 64 {
		return "end of rows, " + flags()
	}
	return fmt.Sprintf("row of %d bytes", len(b))
}

func parseTrace(t testing.TB, text string) (tr trace) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "caps "):
			n, err := strconv.ParseUint(line[5:], 0, 64)
			require.NoError(t, err)
			tr.caps = Capability(n)
		case strings.HasPrefix(line, "  "):
			b, err := hex.DecodeString(line[2:])
			require.NoError(t, err)
			p := &tr.packets[len(tr.packets)-1]
			p.payload = append(p.payload, b...)
		case line != "":
			seq, err := strconv.Atoi(strings.Fields(line)[1])
			require.NoError(t, err)
			tr.packets = append(tr.packets, rawPacket{fromClient: line[0] == 'C', seq: byte(seq)})
		}
	}
	return tr
}

// captureTraces records the traces anew, which -update asks for.
func captureTraces(t *testing.T) {
	t.Helper()
	for _, client := range traceClients {
		for _, talk := range conversations {
			c := dialRaw(t, testStore.Addr(), client.caps)
			c.must("CREATE OR REPLACE DATABASE trace")
			c.must("USE trace")
			c.log = nil
			talk.talk(c)
			if tr := (trace{c.caps, c.log}); len(tr.packets) > 0 {
				name := filepath.Join("testdata", "trace", talk.name+"."+client.name+".txt")
				require.NoError(t, os.WriteFile(name, []byte(tr.String()), 0o644))
			}
			c.must("DROP DATABASE trace")
			c.conn.Close()
		}
	}
}

// eachTrace runs f with every golden trace.
func eachTrace(t *testing.T, f func(t *testing.T, tr trace)) {
	names, err := filepath.Glob("testdata/trace/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			tr := parseTrace(t, string(text))
			require.Equal(t, string(text), tr.String(), "the printer has changed; run with -update or edit the trace")
			f(t, tr)
		})
	}
}

// A turn is what the server says before the client speaks again.
type turn struct {
	kind  responseKind
	reset bool // it starts the response to a command
	bytes []byte
	want  event
}

func (tr trace) turns() (turns []turn) {
	for i, p := range tr.packets {
		switch {
		case p.fromClient && p.seq == 0:
			turns = append(turns, turn{kind: p.kind(), reset: true, want: evEnd})
		case p.fromClient && tr.packets[i-1].fromClient:
		case p.fromClient:
			turns[len(turns)-1].want = evUpload
			turns = append(turns, turn{want: evEnd})
		default:
			last := &turns[len(turns)-1]
			seq := p.seq
			last.bytes = appendPacket(last.bytes, &seq, p.payload)
		}
	}
	return turns
}

// scanChunks scans the turn cut into the given chunks, checks that it ends with
// the last byte and no earlier, and returns what came out of the scanner.
func (tu turn) scanChunks(t *testing.T, s *scanner, chunks ...[]byte) (out []byte) {
	t.Helper()
	done := false
	for i, p := range chunks {
		p = bytes.Clone(p)
		n, ev, err := s.scan(p)
		require.NoError(t, err)
		require.Equal(t, len(p), n, "chunk %d ends early with event %d", i, ev)
		require.False(t, done && len(p) > 0, "ended before the last chunk")
		if ev != evMore {
			require.Equal(t, tu.want, ev)
			done = true
		}
		out = append(out, p...)
	}
	require.True(t, done, "did not end")
	return out
}

// TestTracesSplitAnywhere replays every conversation with every response cut at
// every byte, and byte by byte.
func TestTracesSplitAnywhere(t *testing.T) {
	if *update {
		captureTraces(t)
	}
	eachTrace(t, func(t *testing.T, tr trace) {
		s := &scanner{caps: tr.caps}
		for _, tu := range tr.turns() {
			if tu.kind == respNone {
				require.Empty(t, tu.bytes)
				continue
			}
			start := func() {
				if tu.reset {
					s.reset(tu.kind)
				}
			}
			start()
			before := *s
			require.Equal(t, tu.bytes, tu.scanChunks(t, s, tu.bytes))
			whole := *s
			splits := len(tu.bytes)
			step := 1 + splits/4096 // long ones at some thousand places
			for cut := 0; cut <= splits; cut += step {
				*s = before
				tu.scanChunks(t, s, tu.bytes[:cut], tu.bytes[cut:])
				whole.carry = s.carry
				require.Equal(t, whole, *s, "cut at %d", cut)
			}
			*s = before
			var single [][]byte
			for i := range tu.bytes {
				single = append(single, tu.bytes[i:i+1])
			}
			tu.scanChunks(t, s, single...)
			*s = before
			s.shift = 5
			shifted := bytes.Clone(tu.bytes)
			for i := 0; i < len(shifted); i += headerSize + payloadLen(shifted[i:]) {
				shifted[i+3] += 5
			}
			require.Equal(t, shifted, tu.scanChunks(t, s, single...))
			*s = before
			s.shift = 5
			require.Equal(t, shifted, tu.scanChunks(t, s, tu.bytes))
			s.shift = 0
		}
	})
}
