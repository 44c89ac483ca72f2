package relaytest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-mysql-org/go-mysql/client"
	mysqlproto "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

// identified says, for each kind of store, how accounts of each of its plugins
// are made.
var identified = map[mariadbd.Kind]map[string]string{
	mariadbd.MariaDB: {
		"mysql_native_password": "IDENTIFIED VIA mysql_native_password USING PASSWORD('secret')",
		"ed25519":               "IDENTIFIED VIA ed25519 USING PASSWORD('secret')",
	},
	mariadbd.MySQL: {
		"caching_sha2_password": "IDENTIFIED WITH caching_sha2_password BY 'secret'",
		"sha256_password":       "IDENTIFIED WITH sha256_password BY 'secret'",
	},
	mariadbd.TiDB: {
		"mysql_native_password": "IDENTIFIED WITH mysql_native_password BY 'secret'",
	},
}

// TestPlugins logs in with every plugin of the store, and fails to.
func TestPlugins(t *testing.T) {
	bothWays(t, func(w way) {
		root := w.conn()
		if srv.Kind() == mariadbd.MariaDB {
			w.exec(root, "INSTALL SONAME 'auth_ed25519'")
			defer w.exec(root, "UNINSTALL SONAME 'auth_ed25519'")
		}
		for plugin, how := range identified[srv.Kind()] {
			w.exec(root, "CREATE USER paul "+how)
			// The second login may be shorter: some servers remember the first.
			for range 2 {
				cfg := w.config()
				cfg.User, cfg.Passwd, cfg.DBName = "paul", "secret", ""
				db := w.open(cfg)
				require.NoError(w, mariadbdtest.Login(db), plugin)
				var user string
				require.NoError(w, db.QueryRow("SELECT CURRENT_USER()").Scan(&user), plugin)
				require.Equal(w, "paul@%", user, plugin)
			}
			for password, schema := range map[string]string{"wrong": "", "": "", "secret": "nowhere"} {
				cfg := w.config()
				cfg.User, cfg.Passwd, cfg.DBName = "paul", password, schema
				want := []int{1045}
				if schema != "" {
					want = []int{1044, 1049}
				}
				require.Contains(w, want, errno(w, mariadbdtest.Login(w.open(cfg))), "%s: %q %q", plugin, password, schema)
			}
			w.exec(root, "DROP USER paul")
		}
		cfg := w.config()
		cfg.User, cfg.Passwd = "nobody", "secret"
		require.Equal(w, 1045, errno(w, w.open(cfg).Ping()))
	})
}

// TestPluginsOfTheClient logs in with what only MariaDB's own client knows: one
// plugin after another, and several messages of one plugin.
func TestPluginsOfTheClient(t *testing.T) {
	if srv.Kind() != mariadbd.MariaDB {
		// MySQL and TiDB can make no accounts of these; theirs, which the drivers
		// know, are in TestPlugins. make test runs this one on MariaDB.
		t.Skip("the plugins are MariaDB's")
	}
	program, plugins := "mariadb", ""
	accounts := map[string]string{"either": "ed25519 USING PASSWORD('other') OR mysql_native_password USING PASSWORD('secret')"}
	modules := []string{"auth_ed25519"}
	if base := os.Getenv("DXFPROXY_TEST_BASEDIR"); base != "" {
		program = filepath.Join(base, "bin", "mariadb")
		found, err := filepath.Glob(filepath.Join(base, "lib", "*", "libmariadb3", "plugin"))
		require.NoError(t, err)
		require.Len(t, found, 1)
		plugins = found[0]
		accounts["parsec"] = "parsec USING PASSWORD('secret')"
		modules = append(modules, "auth_parsec")
	}
	bothWays(t, func(w way) {
		root := w.conn()
		for _, module := range modules {
			w.exec(root, "INSTALL SONAME '"+module+"'")
			defer w.exec(root, "UNINSTALL SONAME '"+module+"'")
		}
		_, port, err := net.SplitHostPort(w.addr)
		require.NoError(w, err)
		login := func(user, password string) string {
			out, _ := exec.Command(program, "--no-defaults", "--plugin-dir="+plugins, "--skip-ssl", "-h127.0.0.1", "-P"+port, "-u"+user, "-p"+password, "-NBe", "SELECT CURRENT_USER()").CombinedOutput()
			return strings.TrimSpace(string(out))
		}
		for user, how := range accounts {
			w.exec(root, "CREATE USER "+user+" IDENTIFIED VIA "+how)
			require.Equal(w, user+"@%", login(user, "secret"))
			require.Contains(w, login(user, "wrong"), "ERROR 1045 (28000): Access denied for user '"+user+"'@'127.0.0.1'")
			w.exec(root, "DROP USER "+user)
		}
	})
}

// TestChangeUser logs in anew on a connection that has a state.
func TestChangeUser(t *testing.T) {
	bothWays(t, func(w way) {
		root := w.conn()
		w.exec(root, "CREATE USER paul IDENTIFIED BY 'secret'")
		defer w.exec(root, "DROP USER paul")
		// An account that the server remembers, so that a hash is enough.
		cfg := w.config()
		cfg.User, cfg.Passwd, cfg.DBName = "paul", "secret", ""
		require.NoError(w, w.open(cfg).Ping())

		c := w.raw("root", "")
		_, err := c.Execute("SET @state = 1")
		require.NoError(w, err)
		require.NoError(w, changeUser(c, "paul", "secret"))
		r, err := c.Execute("SELECT CURRENT_USER(), @state IS NULL")
		require.NoError(w, err)
		require.Equal(w, "paul@% 1", rows(r))
		require.NoError(w, changeUser(c, "root", ""))
		r, err = c.Execute("SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1), 2")
		require.NoError(w, err)
		require.Equal(w, "root 2", rows(r))
		require.Error(w, changeUser(c, "paul", "wrong"))
	})
}

// rows prints a result.
func rows(r *mysqlproto.Result) string {
	var b bytes.Buffer
	for i := range r.RowNumber() {
		for j := range r.ColumnNumber() {
			v, _ := r.GetValue(i, j)
			if text, ok := v.([]byte); ok {
				v = string(text)
			}
			if i+j > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprint(&b, v)
		}
	}
	return b.String()
}

// changeUser sends COM_CHANGE_USER and answers what the store asks for.
func changeUser(c *client.Conn, user, password string) error {
	const comChangeUser = 0x11
	// No answer, no schema, utf8mb4_general_ci, a plugin that makes every store
	// ask again with its own, and no attributes.
	body := append([]byte{0, 0, 0, 0, comChangeUser}, user+"\x00\x00\x00\x2d\x00none\x00\x00"...)
	c.ResetSequence()
	if err := c.WritePacket(body); err != nil {
		return err
	}
	for {
		p, err := c.ReadPacket()
		if err != nil {
			return err
		}
		switch p[0] {
		case mysqlproto.OK_HEADER:
			return nil
		case mysqlproto.ERR_HEADER:
			return c.HandleErrorPacket(p)
		case mysqlproto.MORE_DATE_HEADER:
			if !bytes.Equal(p[1:], []byte{3}) {
				return fmt.Errorf("the store wants more than a hash: %q", p)
			}
			continue
		}
		plugin, salt, _ := bytes.Cut(p[1:], []byte{0})
		salt = bytes.TrimSuffix(salt, []byte{0})
		var answer []byte
		switch string(plugin) {
		case "mysql_native_password":
			answer = mysqlproto.CalcNativePassword(salt, []byte(password))
		case "caching_sha2_password":
			answer = mysqlproto.CalcCachingSha2Password(salt, []byte(password))
		default:
			return fmt.Errorf("the store asks for plugin %s", plugin)
		}
		if err := c.WritePacket(append(make([]byte, 4), answer...)); err != nil {
			return err
		}
	}
}

// TestErrorsKeepTheirText compares what the store says with what a client of a
// node reads.
func TestErrorsKeepTheirText(t *testing.T) {
	texts := map[string][]string{}
	bothWays(t, func(w way) {
		c := w.conn()
		for _, query := range []string{
			"SELEC 1", "SELECT * FROM nowhere", "SELECT 1 FROM DUAL WHERE no_such_column = 1",
			"CREATE TABLE a (a INT, a INT)", "KILL 4294967290", "SELECT CAST('ü' AS no_type)",
			"SET GLOBAL no_such_variable = 1", "USE nowhere",
			"CALL nothing()", "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'mine', MYSQL_ERRNO = 4711",
		} {
			_, err := c.ExecContext(w.Context(), query)
			// A store may find nothing wrong with one of them.
			text := strings.ReplaceAll(fmt.Sprint(err), w.schema, "SCHEMA")
			texts[query] = append(texts[query], text)
		}
	})
	for query, both := range texts {
		require.Len(t, both, 2)
		require.Equal(t, both[0], both[1], query)
	}
}
