package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/spf13/pflag"
)

// secretFlags are those whose values hold a password.
var secretFlags = []string{"store", "meta-account", "trial-account"}

// password is where a password stands in a flag's value: behind the first colon, and
// before the last @ of a DSN. An account has no @.
func password(flag, value string) (from, to int) {
	from = strings.IndexByte(value, ':') + 1
	if from == 0 {
		return 0, 0
	}
	if flag != "store" {
		return from, len(value)
	}
	if to = dsnAt(value); to < from {
		return 0, 0
	}
	return from, to
}

// dsnAt is the place of the @ that ends a DSN's password, -1 if there is none: the last one of
// what stands before the address, or before the last slash.
func dsnAt(dsn string) int {
	end := len(dsn)
	if i := strings.LastIndexByte(dsn, '/'); i >= 0 {
		end = i
	}
	return strings.LastIndexByte(dsn[:end], '@')
}

// eachSecret calls f with every argument that holds a secret, its flag, and where
// the flag's value begins in it. Any other with an @ is taken for a DSN: somebody has forgotten
// the flag, or mistyped it.
func eachSecret(args []string, f func(i int, flag string, value int)) {
	for i, arg := range args {
		flag, value := "", 0
		for _, known := range secretFlags {
			switch {
			case i > 0 && args[i-1] == "--"+known:
				flag = known
			case strings.HasPrefix(arg, "--"+known+"="):
				flag, value = known, len("--"+known+"=")
			}
		}
		if flag == "" && strings.Contains(arg, "@") {
			flag = "store"
		}
		if flag != "" {
			f(i, flag, value)
		}
	}
}

// takeArgs returns a copy of the process's arguments and erases the secrets from
// what others on the machine can read of them (ps, /proc/PID/cmdline).
func takeArgs() []string {
	args := make([]string, len(os.Args))
	for i, arg := range os.Args {
		args[i] = strings.Clone(arg)
	}
	eachSecret(args, func(i int, flag string, value int) {
		if from, to := password(flag, args[i][value:]); from < to {
			erase(os.Args[i], value+from, value+to)
		}
	})
	return args
}

// erase overwrites a part of an argument where the system keeps it: the runtime
// makes os.Args of that memory, and does not copy it.
func erase(arg string, from, to int) {
	memory := unsafe.Slice(unsafe.StringData(arg), len(arg))
	for i := from; i < to; i++ {
		memory[i] = 'x'
	}
}

// redacted is a mistake on the command line without the passwords that its text may
// quote.
func redacted(err error, args []string) error {
	var u usageError
	if !errors.As(err, &u) {
		return err
	}
	text := string(u)
	eachSecret(args, func(i int, flag string, value int) {
		from, to := password(flag, args[i][value:])
		if secret := args[i][value:][from:to]; secret != "" {
			text = strings.ReplaceAll(text, secret, "xxxxx")
			quoted := strconv.Quote(secret)
			text = strings.ReplaceAll(text, quoted[1:len(quoted)-1], "xxxxx")
		}
	})
	return usageError(text)
}

// checkPrivate refuses a file with a secret in it that others can read.
func checkPrivate(file string) error {
	st, err := os.Stat(file)
	if err != nil {
		return usagef("%s", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return usagef("%s holds a password and others can read it (mode %04o): chmod 600 %s", file, st.Mode().Perm(), file)
	}
	return nil
}

// readStoreFile is the DSN in a file.
func readStoreFile(file string) (string, error) {
	if err := checkPrivate(file); err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", usagef("%s", err)
	}
	dsn := strings.TrimSpace(string(text))
	if dsn == "" {
		return "", usagef("--store-file %s is empty; it holds user:password@tcp(host:port)/", file)
	}
	return dsn, nil
}

// environment is the name of a flag's environment variable.
func environment(flag string) string {
	return "DXFPROXY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// readEnvironment sets every flag that the environment names and the command line
// does not.
func readEnvironment(fs *pflag.FlagSet) (err error) {
	given := givenStore(fs)
	fs.VisitAll(func(f *pflag.Flag) {
		v := os.Getenv(environment(f.Name))
		if v == "" || f.Changed || err != nil || given && isStore(f.Name) {
			return
		}
		if setErr := fs.Set(f.Name, v); setErr != nil {
			err = usagef("%s: %s", environment(f.Name), setErr)
		}
	})
	return err
}

// The store is named by one of two flags: where either was given, what comes after does
// not name another by the other one.
func isStore(flag string) bool { return flag == "store" || flag == "store-file" }

func givenStore(fs *pflag.FlagSet) bool { return fs.Changed("store") || fs.Changed("store-file") }

// nameStore reads the DSN where a file has it.
func (c *config) nameStore() (err error) {
	switch {
	case c.StoreFile == "":
		return nil
	case c.Store != "":
		return usagef("--store and --store-file: one of them")
	}
	c.Store, err = readStoreFile(c.StoreFile)
	return err
}

// holdsSecret reports whether a setting of the config file is a password.
func holdsSecret(flag string, value any) bool {
	for _, f := range secretFlags {
		if f == flag {
			from, to := password(flag, fmt.Sprint(value))
			return from < to
		}
	}
	return false
}
