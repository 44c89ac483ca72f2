// Package protocol relays the MySQL client/server protocol between a client
// and the store, and lets a Handler answer single statements in the store's
// place.
//
// A session has two legs. The store is dialled first and its greeting is
// handed to the client with a few capabilities masked, so the salts, the
// connection id and every authentication plugin are the store's own: the
// proxy holds no password and KILL needs no translation. After that, a request
// is forwarded as the bytes it came in, and a response is forwarded chunk by
// chunk while scanner follows its packets just closely enough to know where it
// ends. Nothing is copied, decoded or allocated for a statement that is not
// ours.
//
// Either leg may be under TLS. Then bytes go through crypto/tls, and all else is
// the same; what only one leg's TLS breaks, authexchange and sha2 mend.
//
// The layers, from the wire up: packet and cursor (bytes), capability, status
// and command (vocabulary), proxyheader, greeting and handshake (connection
// phase), scan (where a response ends), ok, err, column, resultset (replies of
// our own), session, auth, tls, authexchange, request, response, intercept,
// stmt, query, lastwords (a Conn at work), admit, kill and server.
//
// The protocol is described in "MySQL Client/Server Protocol" of the MySQL
// server's source documentation and in "Clients & Utilities: MariaDB protocol"
// of the MariaDB manual.
package protocol
