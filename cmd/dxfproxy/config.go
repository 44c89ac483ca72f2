package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"dxfproxy/decode"
	"dxfproxy/importinto"
	"dxfproxy/protocol"
	"dxfproxy/source"
	"dxfproxy/store"
	"dxfproxy/sysvars"
)

// config is what serve can be told: by flags, by environment variables (DXFPROXY_STORE
// for --store) and by a TOML file with the flags' names. A flag wins over the environment,
// and that over the file.
type config struct {
	Listen       string
	Socket       string
	Store        string
	StoreFile    string
	DataDir      string
	ServiceScope string
	MetaSchema   string
	MetaAccount  string
	TrialAccount string
	Node         string
	RunDDL       bool
	LogLevel     string
	User         string

	MaxConnections int
	ConnectTimeout time.Duration
	DrainTimeout   time.Duration

	TLSCert, TLSKey, TLSCA string
	RequireSecureTransport bool
	StoreTLS, StoreCA      string

	ProxyProtocolNetworks []string
	StoreProxyProtocol    string

	ImportMemory, ImportMaxRow                 string
	ImportDirs, ImportEndpoints, ImportAmbient []string

	proxyNetworks []netip.Prefix
	importLimits  importinto.Limits
}

// parseConfig reads the arguments of a command, the environment, and the file they
// name. A command may have flags of its own beside those of serve.
func parseConfig(command string, args []string, own ...flagGroup) (c config, err error) {
	defer func() { err = redacted(err, append([]string{"--store", c.Store}, args...)) }()
	fs := flagSet(append(c.flags(), own...)...)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return c, err
		}
		return c, usagef("%s", err)
	}
	if fs.NArg() > 0 {
		return c, usagef("%s takes no argument, got %s", command, quote(fs.Arg(0)))
	}
	if err := readEnvironment(fs); err != nil {
		return c, err
	}
	if file, _ := fs.GetString("config"); file != "" {
		if err := readConfigFile(fs, file); err != nil {
			return c, err
		}
	}
	if c.TLSCA != "" && !fs.Changed("require-secure-transport") {
		c.RequireSecureTransport = true // or who has no certificate would come without TLS
	}
	if err := c.nameStore(); err != nil {
		return c, err
	}
	return c, c.check()
}

// readConfigFile sets every flag that the file names and the command line does
// not. An unknown name is an error: a typo must not become a default.
func readConfigFile(fs *pflag.FlagSet, file string) error {
	var values map[string]any
	if _, err := toml.DecodeFile(file, &values); err != nil {
		if os.IsNotExist(err) {
			return usagef("config file %s does not exist", file)
		}
		return usagef("config file %s: %s", file, err)
	}
	given := givenStore(fs)
	for name, v := range values {
		if name == "tidb_service_scope" { // TiDB's own name for it
			name = "service-scope"
		}
		f := fs.Lookup(name)
		if f == nil || name == "config" {
			return usagef("config file %s: no setting is called %s", file, quote(name))
		}
		if holdsSecret(name, v) {
			if err := checkPrivate(file); err != nil {
				return err
			}
		}
		if f.Changed || given && isStore(name) {
			continue
		}
		if list, ok := v.([]any); ok {
			v = joinList(list)
		}
		if err := fs.Set(name, fmt.Sprint(v)); err != nil {
			return usagef("config file %s: %s: %s", file, name, err)
		}
	}
	return nil
}

// joinList is a list of TOML as a flag takes it.
func joinList(list []any) string {
	var words []string
	for _, v := range list {
		words = append(words, fmt.Sprint(v))
	}
	return strings.Join(words, ",")
}

// scopePattern is what tidb_service_scope accepts.
var scopePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{0,64}$`)

// check refuses impossible values and fills in what follows from others.
func (c *config) check() error {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return usagef("--listen %s is not host:port", c.Listen)
	}
	if len(c.Node) > 261 {
		return usagef("--node is longer than 261 bytes")
	}
	if !scopePattern.MatchString(c.ServiceScope) {
		return usagef("--service-scope %s: 64 characters or fewer of letters, digits, - and _", quote(c.ServiceScope))
	}
	if err := store.CheckSchema(c.MetaSchema); err != nil {
		return usagef("--meta-schema %s: %s", quote(c.MetaSchema), err)
	}
	if (c.MetaAccount != "" || c.TrialAccount != "") && c.Store == "" {
		return usagef("--meta-account and --trial-account go with --store; the private store has accounts of its own")
	}
	if err := c.checkStore(); err != nil {
		return err
	}
	if err := c.checkTransport(); err != nil {
		return err
	}
	if _, err := source.NewPolicy(c.importRules()); err != nil {
		return usagef("%s", err)
	}
	if c.MaxConnections < 1 {
		return usagef("--max-connections must be at least 1")
	}
	if err := c.checkImports(); err != nil {
		return err
	}
	if _, err := zapcore.ParseLevel(c.LogLevel); err != nil {
		return usagef("--log-level %s: one of debug, info, warn, error", quote(c.LogLevel))
	}
	return nil
}

// importRules is what imports may read, but for what the store says.
func (c *config) importRules() source.Rules {
	return source.Rules{Dirs: c.ImportDirs, Endpoints: c.ImportEndpoints, Ambient: c.ImportAmbient}
}

// checkStore refuses a store that clients cannot be connected to.
func (c *config) checkStore() error {
	if c.Store == "" {
		return nil
	}
	if strings.HasPrefix(c.Store, "mysql://") || strings.HasPrefix(c.Store, "mariadb://") {
		return usagef("--store: a DSN, not a URL; it looks like user:password@tcp(host:port)/")
	}
	all, err := storeDSNs(c.Store)
	if err != nil {
		return usagef("--store: %s; it looks like user:password@tcp(host:port)/", err)
	}
	for _, s := range all {
		// On its socket the server would take every client for the node's own
		// account of the system, and let it in by unix_socket.
		if s.Net != "tcp" {
			return usagef("--store: clients are connected over tcp, not over %s", s.Net)
		}
	}
	return nil
}

// rowsInMemory is how many of the longest rows --import-memory has room for.
const rowsInMemory = 16

// checkImports refuses limits of imports under which ordinary files do not come in.
func (c *config) checkImports() error {
	c.importLimits = importinto.DefaultLimits(slots())
	for _, f := range []struct {
		name, value string
		to          *int64
		least       int64 // MiB
	}{
		{"--import-memory", c.ImportMemory, &c.importLimits.Memory, 64},
		{"--import-max-row", c.ImportMaxRow, &c.importLimits.Row, 1},
	} {
		if f.value == "" {
			continue
		}
		n, err := sysvars.ParseSize(f.value)
		if err != nil || n < f.least<<20 {
			return usagef("%s %s: a size of %dMiB at least", f.name, quote(f.value), f.least)
		}
		*f.to = n
	}
	l := &c.importLimits
	if most := l.Memory / rowsInMemory; l.Row > most {
		if c.ImportMaxRow != "" {
			return usagef("--import-max-row: a row is a sixteenth of --import-memory at most, %dMiB", most>>20)
		}
		l.Row = most
	}
	l.Row = min(l.Row, decode.MaxRow)
	return nil
}

// noTLS as --tls-cert means that clients are not offered TLS.
const noTLS = "none"

// storeTLSModes are the values of --store-tls.
var storeTLSModes = map[string]protocol.StoreTLS{
	"as-client": protocol.TLSAsClient, "require": protocol.TLSRequire, "disable": protocol.TLSDisable,
}

// proxyVersions are the values of --store-proxy-protocol.
var proxyVersions = map[string]int{"": 0, "v1": 1, "v2": 2}

// checkTransport refuses what cannot be meant for connections.
func (c *config) checkTransport() error {
	given := c.TLSCert != "" && c.TLSCert != noTLS
	if given != (c.TLSKey != "") {
		return usagef("--tls-cert and --tls-key go together")
	}
	if c.TLSCert == noTLS && (c.TLSCA != "" || c.RequireSecureTransport) {
		return usagef("--tls-cert none: without TLS there is no --tls-ca and no --require-secure-transport")
	}
	if _, ok := storeTLSModes[c.StoreTLS]; !ok {
		return usagef("--store-tls %s: one of as-client, require, disable", quote(c.StoreTLS))
	}
	if c.StoreCA != "" && c.StoreTLS == "disable" {
		return usagef("--store-ca without TLS to the store: --store-tls is disable")
	}
	if _, ok := proxyVersions[c.StoreProxyProtocol]; !ok {
		return usagef("--store-proxy-protocol %s: one of v1, v2", quote(c.StoreProxyProtocol))
	}
	for _, n := range c.ProxyProtocolNetworks {
		prefix, err := parseNetwork(strings.TrimSpace(n))
		if err != nil {
			return usagef("--proxy-protocol-networks %s: addresses and networks, as in 10.0.0.0/8,192.0.2.7", quote(n))
		}
		c.proxyNetworks = append(c.proxyNetworks, prefix)
	}
	if c.ConnectTimeout <= 0 {
		return usagef("--connect-timeout must be more than 0")
	}
	if c.DrainTimeout < 0 {
		return usagef("--drain-timeout must not be negative")
	}
	return nil
}

// parseNetwork reads a network, or an address for a network of one.
func parseNetwork(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return a.Prefix(a.BitLen())
}

// logger writes one console line per event to stderr.
func (c config) logger() *zap.Logger {
	level, _ := zapcore.ParseLevel(c.LogLevel) // checked
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
	enc.EncodeDuration = zapcore.StringDurationEncoder
	enc.EncodeLevel = zapcore.CapitalLevelEncoder
	enc.CallerKey = ""
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.Lock(os.Stderr), level))
}
