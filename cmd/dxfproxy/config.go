package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/go-sql-driver/mysql"
	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// config is what serve can be told, by flags and by a TOML file with the same
// names. A flag on the command line wins over the file.
type config struct {
	Listen         string
	Store          string
	DataDir        string
	ServiceScope   string
	MetaSchema     string
	Node           string
	RunDDL         bool
	MaxConnections int
	DrainTimeout   time.Duration
	LogLevel       string
}

// flags declares every flag of serve with its default.
func (c *config) flags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.Listen, "listen", "127.0.0.1:4000", "")
	fs.StringVar(&c.Store, "store", "", "")
	fs.StringVar(&c.DataDir, "data-dir", "./dxfproxy-data", "")
	fs.StringVar(&c.ServiceScope, "service-scope", "", "")
	fs.StringVar(&c.MetaSchema, "meta-schema", "dxf", "")
	fs.StringVar(&c.Node, "node", "", "")
	fs.BoolVar(&c.RunDDL, "run-ddl", true, "")
	fs.IntVar(&c.MaxConnections, "max-connections", 1000, "")
	fs.DurationVar(&c.DrainTimeout, "drain-timeout", 10*time.Second, "")
	fs.StringVar(&c.LogLevel, "log-level", "info", "")
	fs.String("config", "", "")
	return fs
}

// parseConfig reads args and the file they name.
func parseConfig(args []string) (config, error) {
	var c config
	fs := c.flags()
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return c, err
		}
		return c, usagef("%s", err)
	}
	if fs.NArg() > 0 {
		return c, usagef("serve takes no argument, got %s", quote(fs.Arg(0)))
	}
	if file, _ := fs.GetString("config"); file != "" {
		if err := readConfigFile(fs, file); err != nil {
			return c, err
		}
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
	for name, v := range values {
		if name == "tidb_service_scope" { // TiDB's own name for it
			name = "service-scope"
		}
		f := fs.Lookup(name)
		if f == nil || name == "config" {
			return usagef("config file %s: no setting is called %s", file, quote(name))
		}
		if f.Changed {
			continue
		}
		if err := fs.Set(name, fmt.Sprint(v)); err != nil {
			return usagef("config file %s: %s: %s", file, name, err)
		}
	}
	return nil
}

// scopePattern is what tidb_service_scope accepts.
var scopePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{0,64}$`)

// schemaPattern keeps the meta schema's name free of quoting.
var schemaPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)

// check refuses impossible values and fills in what follows from others.
func (c *config) check() error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return usagef("--listen %s is not host:port", c.Listen)
	}
	if c.Node == "" {
		c.Node = net.JoinHostPort(host, port)
	}
	if len(c.Node) > 261 {
		return usagef("--node is longer than 261 bytes")
	}
	if !scopePattern.MatchString(c.ServiceScope) {
		return usagef("--service-scope %s: 64 characters or fewer of letters, digits, - and _", quote(c.ServiceScope))
	}
	if !schemaPattern.MatchString(c.MetaSchema) {
		return usagef("--meta-schema %s: a letter, then letters, digits and _", quote(c.MetaSchema))
	}
	if c.Store != "" {
		if _, err := mysql.ParseDSN(c.Store); err != nil {
			return usagef("--store: %s; it looks like user:password@tcp(host:port)/", err)
		}
	}
	if c.MaxConnections < 1 {
		return usagef("--max-connections must be at least 1")
	}
	if _, err := zapcore.ParseLevel(c.LogLevel); err != nil {
		return usagef("--log-level %s: one of debug, info, warn, error", quote(c.LogLevel))
	}
	return nil
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
