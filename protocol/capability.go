package protocol

// Capability is the set of protocol features two peers agree on: the 32 bits
// of the MySQL protocol below, MariaDB's 32 extended ones above.
type Capability uint64

// The capabilities the relay looks at or masks, by their names in the manuals.
const (
	ClientLongPassword         Capability = 1 << 0 // MariaDB says CLIENT_MYSQL: clear when it speaks the extended ones
	ClientConnectWithDB        Capability = 1 << 3
	ClientCompress             Capability = 1 << 5
	ClientLocalFiles           Capability = 1 << 7
	ClientProtocol41           Capability = 1 << 9
	ClientSSL                  Capability = 1 << 11
	ClientTransactions         Capability = 1 << 13
	ClientSecureConnection     Capability = 1 << 15
	ClientMultiStatements      Capability = 1 << 16
	ClientMultiResults         Capability = 1 << 17
	ClientPSMultiResults       Capability = 1 << 18
	ClientPluginAuth           Capability = 1 << 19
	ClientConnectAttrs         Capability = 1 << 20
	ClientPluginAuthLenenc     Capability = 1 << 21
	ClientSessionTrack         Capability = 1 << 23
	ClientDeprecateEOF         Capability = 1 << 24
	ClientOptionalMetadata     Capability = 1 << 25
	ClientZstdCompression      Capability = 1 << 26
	ClientQueryAttributes      Capability = 1 << 27
	ClientCapabilityExtension  Capability = 1 << 29
	MariaDBClientProgress      Capability = 1 << 32
	MariaDBClientComMulti      Capability = 1 << 33
	MariaDBClientStmtBulk      Capability = 1 << 34
	MariaDBClientExtendedMeta  Capability = 1 << 35
	MariaDBClientCacheMetadata Capability = 1 << 36
	mariaDBKnown               Capability = MariaDBClientProgress | MariaDBClientStmtBulk |
		MariaDBClientExtendedMeta | MariaDBClientCacheMetadata
	classicCapabilities        Capability = 1<<32 - 1
	clientOwnedByTheProxy      Capability = ClientSSL | ClientCompress | ClientZstdCompression
	clientUnreadableForTheScan Capability = ClientOptionalMetadata | ClientCapabilityExtension
	relayable                             = (classicCapabilities | mariaDBKnown) &^ (clientOwnedByTheProxy | clientUnreadableForTheScan)
)

// Has reports whether all of x are in c.
func (c Capability) Has(x Capability) bool { return c&x == x }
