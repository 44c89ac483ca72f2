package protocol

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"
)

// An unanswered is a connection to the store whose greeting has been read and
// not been answered. To the server that is a login under way. One that ends
// without a login is an interrupted handshake, and after max_connect_errors of
// these in a row (100 by default) the servers block the address they came from:
// the node's, with all its clients. So none of these is merely closed. It serves
// the next client, or is brought to an end that the server does not hold against
// anybody: a login, granted or refused.
type unanswered struct {
	socket   net.Conn  // as it was dialled
	greeting []byte    // the packet, as it came
	since    time.Time // when it was dialled
}

// retireTime is how long the store may take for an end of that kind.
const retireTime = 2 * time.Second

// retire ends u properly.
func (s *Server) retire(u *unanswered) {
	defer u.socket.Close()
	_ = u.socket.SetDeadline(time.Time{})
	var err error
	if s.logsIn() {
		ctx, cancel := context.WithTimeout(context.Background(), retireTime)
		defer cancel()
		err = s.LogIn(ctx, &earlyConn{Conn: u.socket, early: u.greeting})
	} else {
		err = refuseLogin(u.socket, u.greeting)
	}
	if err != nil {
		s.interrupted()
		s.log().Debug("a connection to the store ended without a login", zap.Error(err))
	}
}

// logsIn reports whether the node may log in for a client that did not. Where the
// store is told who a client is, it judges the client's address, and counts for that.
func (s *Server) logsIn() bool { return s.LogIn != nil && s.StoreProxyHeader == 0 }

// nobody is the account of a login that is to be refused.
const nobody = "left-without-a-login"

// refuseLogin answers a greeting with a login that the store refuses, and reads
// the refusal.
func refuseLogin(store net.Conn, greet []byte) error {
	_ = store.SetDeadline(time.Now().Add(retireTime))
	if _, err := parseGreeting(greet[headerSize:]); err != nil {
		return err
	}
	const plugin = "mysql_native_password"
	caps := ClientProtocol41 | ClientSecureConnection | ClientPluginAuth | ClientLongPassword
	b := binary.LittleEndian.AppendUint32(nil, uint32(caps))
	b = binary.LittleEndian.AppendUint32(b, 1<<24)
	b = append(b, collationUTF8MB4)
	b = append(b, make([]byte, handshakeFixed-len(b))...)
	b = append(b, nobody+"\x00"...)
	wrong := wrongAnswer(plugin)
	b = append(append(b, byte(len(wrong))), wrong...)
	b = append(b, plugin+"\x00"...)
	seq := byte(1)
	if _, err := store.Write(appendPacket(nil, &seq, b)); err != nil {
		return fmt.Errorf("answer a greeting: %w", err)
	}
	return refuseRest(store, plugin, seq, retireTime)
}

// maxWrongAnswers is more questions than any plugin asks.
const maxWrongAnswers = 8

// refuseRest answers what the store asks in an authentication, wrongly, until it
// has refused. The next packet of ours is numbered seq, if the store waits for
// one without asking: it is sent when nothing has come for the time given.
func refuseRest(store net.Conn, plugin string, seq byte, wait time.Duration) error {
	end := time.Now().Add(retireTime)
	_ = store.SetDeadline(end)
	for range maxWrongAnswers {
		if wait < retireTime {
			_ = store.SetReadDeadline(time.Now().Add(wait))
		}
		pkt, err := readPacket(store, nil, maxLoginPacket)
		switch {
		case isTimeout(err) && wait < retireTime:
			wait = retireTime // it was our turn
			_ = store.SetReadDeadline(end)
		case err != nil:
			return fmt.Errorf("read an authentication packet: %w", err)
		case len(pkt) == headerSize:
			return fmt.Errorf("empty authentication packet: %w", errMalformed)
		case pkt[headerSize] == 0xff:
			if e := parseError(pkt[headerSize:]); e.Code == errHandshake {
				return e
			}
			return nil
		case pkt[headerSize] == 0x00: // anything will do, for this account
			_, err := store.Write([]byte{1, 0, 0, 0, comQuit})
			return err
		default:
			seq = pkt[3] + 1
			if pkt[headerSize] == 0xfe && len(pkt) > headerSize+1 {
				plugin, _ = parseAuthSwitch(pkt[headerSize:])
			}
		}
		if _, err := store.Write(appendPacket(nil, &seq, wrongAnswer(plugin))); err != nil {
			return fmt.Errorf("send an authentication packet: %w", err)
		}
	}
	return errors.New("the store asked too many questions")
}

// wrongAnswer is a packet that a plugin takes for a wrong password. One of another
// length than it expects would be an interrupted handshake to it, and none at
// all a password for accounts without one.
func wrongAnswer(plugin string) []byte {
	n := 20 // mysql_native_password, and whoever reads a text
	switch plugin {
	case sha2Plugin, sha256Plugin:
		n = 32
	case "client_ed25519":
		n = 64
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	b[n-1] = 0
	return b
}
