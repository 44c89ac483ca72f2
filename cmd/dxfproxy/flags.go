package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"dxfproxy/store"
)

// A flagGroup is flags that --help shows under one title. A flag's usage is what its value
// is called, what it means, and, where its default does not say it, what holds without it,
// with tabs in between.
type flagGroup struct {
	title string
	*pflag.FlagSet
}

func newGroup(title string) flagGroup {
	fs := pflag.NewFlagSet(title, pflag.ContinueOnError)
	fs.SortFlags = false
	return flagGroup{title, fs}
}

// describe is what a flag's usage says.
func describe(f *pflag.Flag) (value, meaning, unset string) {
	parts := append(strings.Split(f.Usage, "\t"), "", "")
	value, meaning, unset = parts[0], parts[1], parts[2]
	if zero := f.DefValue == "" || f.DefValue == "[]" || f.DefValue == "false"; unset == "" && !zero {
		unset = f.DefValue
	}
	return value, meaning, unset
}

// flagSet is the flags of several groups.
func flagSet(groups ...flagGroup) *pflag.FlagSet {
	fs := pflag.NewFlagSet("dxfproxy", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	for _, g := range groups {
		fs.AddFlagSet(g.FlagSet)
	}
	return fs
}

// flags declares every flag of serve with its default.
func (c *config) flags() []flagGroup {
	return []flagGroup{c.clientFlags(), c.storeFlags(), c.clusterFlags(), c.importFlags(), c.processFlags()}
}

func (c *config) clientFlags() flagGroup {
	g := newGroup("Clients")
	g.StringVar(&c.Listen, "listen", "127.0.0.1:4000", "ADDR\twhere MySQL clients connect")
	g.StringVar(&c.Socket, "socket", "", "PATH\tand a Unix socket")
	g.IntVar(&c.MaxConnections, "max-connections", 1000, "N\tclients at once, then error 1040")
	g.DurationVar(&c.ConnectTimeout, "connect-timeout", 10*time.Second, "TIME\thow long a login may take")
	g.DurationVar(&c.DrainTimeout, "drain-timeout", 10*time.Second, "TIME\tfor open transactions when the node stops")
	g.StringVar(&c.TLSCert, "tls-cert", "", "FILE\tcertificate, or none; SIGHUP reloads\tself-made")
	g.StringVar(&c.TLSKey, "tls-key", "", "FILE\tits key")
	g.StringVar(&c.TLSCA, "tls-ca", "", "FILE\tclients need a certificate signed by these")
	g.BoolVar(&c.RequireSecureTransport, "require-secure-transport", false, "\tclients without TLS get 3159\ton with --tls-ca")
	g.StringSliceVar(&c.ProxyProtocolNetworks, "proxy-protocol-networks", nil, "LIST\twhose connections begin with a PROXY header")
	return g
}

func (c *config) storeFlags() flagGroup {
	g := newGroup("Store")
	g.StringVar(&c.Store, "store", "", "DSN\tuser:password@tcp(host:port)/; of several hosts, tcp(a:3306,b:3306), "+
		"clients get the first that answers\ta private MariaDB")
	g.StringVar(&c.StoreFile, "store-file", "", "FILE\tholds the DSN, mode 600")
	g.StringVar(&c.DataDir, "data-dir", "./dxfproxy-data", "DIR\tdata of the private MariaDB")
	g.StringVar(&c.StoreTLS, "store-tls", "as-client", "WHEN\tas-client, require or disable")
	g.StringVar(&c.StoreCA, "store-ca", "", "FILE\twho signs the store's certificate\tnot verified")
	g.StringVar(&c.StoreProxyProtocol, "store-proxy-protocol", "", "V\tv1 or v2: tell the store who the client is")
	g.StringVar(&c.MetaSchema, "meta-schema", store.DefaultSchema, "NAME\tschema of the framework's own tables")
	g.StringVar(&c.MetaAccount, "meta-account", "", "USER[:PASSWORD]\twhose they are\tthe store's with _meta")
	g.StringVar(&c.TrialAccount, "trial-account", "", "USER[:PASSWORD]\twho tries statements\tthe store's with _trial")
	return g
}

func (c *config) clusterFlags() flagGroup {
	g := newGroup("Cluster")
	g.StringVar(&c.Node, "node", "", "NAME\tthis node's name\tits address, or the machine's")
	g.StringVar(&c.ServiceScope, "service-scope", "", "NAME\tthis node's tidb_service_scope")
	g.BoolVar(&c.RunDDL, "run-ddl", true, "\t=false: this node is never elected owner\ttrue")
	return g
}

func (c *config) importFlags() flagGroup {
	g := newGroup("IMPORT INTO")
	g.StringVar(&c.ImportMemory, "import-memory", "", "SIZE\tall imports of a node\t128MiB/CPU, 256MiB at least")
	g.StringVar(&c.ImportMaxRow, "import-max-row", "", "SIZE\tlongest row\t16MiB")
	g.StringSliceVar(&c.ImportDirs, "import-dir", nil, "LIST\tfolders of this machine that may be read")
	g.StringSliceVar(&c.ImportEndpoints, "import-endpoints", nil, "LIST\tobject stores that may be asked beside public ones")
	g.StringSliceVar(&c.ImportAmbient, "import-ambient-credentials", nil, "LIST\ts3://bucket/folder: read with this node's cloud credentials")
	return g
}

func (c *config) processFlags() flagGroup {
	g := newGroup("Process")
	g.StringVar(&c.User, "user", "", "NAME\truns as, when started by root\tdxfproxy or mysql")
	g.StringVar(&c.LogLevel, "log-level", "info", "LEVEL\tdebug, info, warn or error")
	g.String("config", "", "FILE\tTOML file with these names")
	return g
}
