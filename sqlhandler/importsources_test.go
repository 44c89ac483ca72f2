package sqlhandler_test

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd/mariadbdtest"
)

// webServer is an internal server that has a file, and counts who asks.
func webServer(t *testing.T) (address string, asked *atomic.Int64) {
	asked = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Length", "4")
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "1,a\n")
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// through is what a client who may not read files sends to an address.
func through(address string) string {
	return "IMPORT INTO t (id, a) FROM 's3://dir/file.csv?endpoint=" + url.QueryEscape(address) + "&provider=minio&access-key=a&secret-access-key=b' WITH detached"
}

// TestSourcesOfImports: what an import may read is the operator's, and that is asked
// behind the client's privileges.
func TestSourcesOfImports(t *testing.T) {
	srv := mariadbdtest.StartT(t)
	listed, askedListed := webServer(t)
	b := newBench(t, srv, listed)
	b.user("plain", "SELECT, INSERT, UPDATE, DELETE, ALTER ON SCHEMA.*")
	b.user("reader", "SELECT, INSERT, UPDATE, DELETE, ALTER ON SCHEMA.*", "FILE ON *.*")
	b.user("nobody", "USAGE ON *.*", "DROP ON SCHEMA.*")
	plain, reader, nobody := b.open(0, "plain"), b.open(0, "reader"), b.open(0, "nobody")

	t.Run("S5S30CredentialsFileNeedsFile", func(*testing.T) {
		for _, file := range []string{"/dev/zero", "/etc/passwd", "/none"} {
			for _, name := range []string{"credentials-file", "Credentials_File", "credentials%2dfile"} {
				b.refused(plain, 1227, "FILE privilege", "IMPORT INTO t FROM 'gs://b/x.csv?"+name+"="+file+"'")
			}
			b.refused(reader, 8159, "the file of credentials-file cannot be used", "IMPORT INTO t FROM 'gs://b/x.csv?credentials-file="+file+"'")
		}
	})
	t.Run("S9S10NothingIsAskedBeforeThePrivileges", func(*testing.T) {
		b.refused(nobody, 1142, "command denied", through(listed))
		require.Zero(t, askedListed.Load())
	})
	t.Run("S10InternalServers", func(t *testing.T) {
		hidden, asked := webServer(t)
		b.refused(plain, 8159, "no object store that this node may ask was found at the address", through(hidden))
		require.Zero(t, asked.Load())
		require.Len(t, b.jobs(plain, through(listed)), 1, "the test can fail")
	})
	t.Run("S11FilesOfTheNode", func(*testing.T) {
		for path, code := range map[string]uint16{"/etc/shadow.csv": 1290, "/proc/self/cwd/x.csv": 1290, b.file + "/../../../../etc/x.csv": 8158} {
			b.refused(plain, 1227, "FILE privilege", "IMPORT INTO t FROM '"+path+"'")
			b.refused(reader, code, "", "IMPORT INTO t FROM '"+path+"'")
		}
		link := filepath.Join(filepath.Dir(b.file), "link.csv")
		require.NoError(t, os.Symlink("/etc/passwd", link))
		b.refused(reader, 8160, "path escapes from parent", "IMPORT INTO t FROM '"+link+"'")
	})
	t.Run("S29PasswordsOfEndpoints", func(*testing.T) {
		b.exec(b.direct, "CREATE TABLE u LIKE t")
		address := "http://bob:hunter2@" + listed[len("http://"):]
		statement := "IMPORT INTO u (id, a) FROM 's3://dir/file.csv?endpoint=" + address + "&provider=minio&access-key=a&secret-access-key=b' WITH detached"
		made := b.jobs(plain, statement)
		require.Contains(t, made[0].source, "bob%3Axxxxxx%40")
		for _, j := range b.jobs(plain, "SHOW IMPORT JOBS") {
			require.NotContains(t, j.source, "hunter2")
		}
		var parameters string
		require.NoError(t, b.direct.QueryRow(fmt.Sprintf("SELECT CAST(parameters AS CHAR) FROM `%s`.tidb_import_jobs WHERE id = %d", b.meta, made[0].id)).Scan(&parameters))
		require.NotContains(t, parameters, "hunter2")
	})
	t.Run("S31NothingUnreadableGoesToTheStore", func(*testing.T) {
		unreadable(b)
	})
}

// unreadable sends imports that cannot be read, and looks for their secrets in what
// the store has logged.
func unreadable(b *bench) {
	b.exec(b.direct, "SET GLOBAL log_output = 'FILE', GLOBAL general_log = ON")
	defer b.exec(b.direct, "SET GLOBAL general_log = OFF")
	cfg, err := mysql.ParseDSN("root@tcp(" + b.nodes[0] + ")/" + b.schema + "?multiStatements=true")
	require.NoError(b, err)
	connector, err := mysql.NewConnector(cfg)
	require.NoError(b, err)
	several := sql.OpenDB(connector)
	b.Cleanup(func() { several.Close() })
	const from = "IMPORT INTO t FROM 's3://b/k.csv?access-key=a&secret-access-key=hunter2"
	for _, text := range []string{from, "SELECT 1; " + from + "'", from + "'; SELECT 1", "/*! " + from + "' */", "/*!50000 IMPORT */ INTO t FROM 's3://b/k?sas-token=hunter2'"} {
		_, err := several.ExecContext(b.Context(), text)
		b.isError(err, 1064, "You have an error in your SQL syntax")
		require.NotContains(b, err.Error(), "hunter2")
	}
	b.exec(several, "SELECT 1; SELECT 'everything else is left alone'")
	var dir, log string
	require.NoError(b, b.direct.QueryRow("SELECT @@datadir, @@general_log_file").Scan(&dir, &log))
	if !filepath.IsAbs(log) {
		log = filepath.Join(dir, log)
	}
	text, err := os.ReadFile(log)
	require.NoError(b, err)
	require.Contains(b, string(text), "everything else is left alone", "the test can fail")
	require.NotContains(b, string(text), "hunter2")
}

// TestS13SecureFilePriv: what the store does not read for its users, a node does not.
func TestS13SecureFilePriv(t *testing.T) {
	// Every folder above must let the server through, which those of t.TempDir do not.
	dir, err := os.MkdirTemp("", "secure-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	srv := mariadbdtest.StartT(t, "secure-file-priv="+dir)
	b := newBench(t, srv)
	b.user("reader", "ALL ON SCHEMA.*", "FILE ON *.*")
	reader := b.open(0, "reader")
	b.refused(reader, 1290, "The store is running with the --secure-file-priv option", b.statement(" WITH detached"))
	b.file = filepath.Join(dir, "rows.csv")
	require.NoError(t, os.WriteFile(b.file, []byte("1,a\n"), 0o644))
	require.Len(t, b.jobs(reader, b.statement(" WITH detached")), 1)
}
