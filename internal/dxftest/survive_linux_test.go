package dxftest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/decode/decodetest"
	"dxfproxy/internal/cluster"
	"dxfproxy/internal/cluster/clustertest"
	"dxfproxy/mariadbd/mariadbdtest"
)

// storm is everybody who would end or hang a node, all at once.
type storm struct {
	*importer
	node  *cluster.Node
	bombs []string // FROM … FORMAT … of files that are too much
	liar  string   // address of a store of objects that lies, drips and never ends

	done  atomic.Int64 // things done
	kinds sync.Map     // how often each, *atomic.Int64
}

const (
	stormLasts    = 20 * time.Second
	stormSessions = 50
	stormPatience = 4 * time.Second // of one of them with one statement
	stormMemory   = 512 << 20       // that the node may take
)

// TestSurvivesEverythingAtOnce: strangers, accounts without any privilege and the owner
// of a table do all that ever ended a node or hung it, in fifty sessions. Another
// user is answered, and gets his index; the node keeps within its memory, and stops
// when it is told to. How much memory it takes is read from Linux's /proc.
func TestSurvivesEverythingAtOnce(t *testing.T) {
	seed := firstSeed(t)
	t.Logf("seed %d: DXFPROXY_SEED=%d", seed, seed)
	s := newStorm(t)
	ctx, cancel := context.WithTimeout(t.Context(), stormLasts)
	defer cancel()
	var all sync.WaitGroup
	for i := range stormSessions {
		all.Go(func() { s.session(ctx, i, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	slowest := make(chan time.Duration)
	go func() { slowest <- s.bystander(ctx) }()
	began := time.Now()
	other := s.house.session(0, "survive_other")
	_, err := other.ExecContext(t.Context(), "ALTER TABLE calm ADD INDEX by_b (b)")
	require.NoError(t, err, "another user's index")
	index := time.Since(began)
	all.Wait()
	wait := <-slowest
	taken := s.taken()
	s.kinds.Range(func(name, n any) bool { t.Logf("%6d %s", n.(*atomic.Int64).Load(), name); return true })
	t.Logf("%d things done, the node took %d MiB, the slowest SELECT 1 %v, the index %v", s.done.Load(), taken>>20, wait, index)
	require.Greater(t, s.done.Load(), int64(stormSessions), "it was no storm")
	require.Less(t, wait, 5*time.Second, "SELECT 1 of another user")
	require.Less(t, taken, stormMemory)
	require.Equal(t, 1, scan[int](t, s.direct, "SELECT COUNT(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND INDEX_NAME = 'by_b'", s.schema))
	stop, cancelStop := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancelStop()
	began = time.Now()
	require.NoError(t, s.node.Stop(stop))
	t.Logf("stopped within %v", time.Since(began).Round(time.Millisecond))
}

// newStorm starts a node that is built as it is for everybody, on two processors.
func newStorm(t *testing.T) *storm {
	dir := clustertest.TempDir(t)
	binary := filepath.Join(dir, "dxfproxy")
	out, err := exec.Command("go", "build", "-o", binary, "dxfproxy/cmd/dxfproxy").CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Setenv("GOMAXPROCS", "2")
	schema, direct := mariadbdtest.Schema(t, srv)
	files := t.TempDir()
	liar := httptest.NewServer(http.HandlerFunc(lie))
	t.Cleanup(liar.Close)
	t.Cleanup(liar.CloseClientConnections)
	c, err := cluster.Start(t.Context(), cluster.Config{
		Binary: binary, Store: mariadbdtest.StoreDSN(t, srv, metaSchema(t)), Dir: dir, Nodes: 1,
		Args: []string{"--meta-schema", metaSchema(t), "--import-dir", files, "--import-endpoints", liar.Listener.Addr().String()},
	})
	require.NoError(t, err)
	node := c.Nodes[0]
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(node.LogTail())
		}
		if node.Running() {
			_ = node.Kill()
		}
	})
	h := &house{T: t, schema: schema, meta: metaSchema(t), direct: direct, nodes: c.Nodes}
	s := &storm{importer: &importer{house: h, dir: files}, node: node, liar: liar.URL}
	for _, user := range []string{"survive_owner", "survive_other", "survive_usage"} {
		h.account(user)
		t.Cleanup(func() { _, _ = direct.Exec("DROP USER " + user + "@'%'") })
	}
	execute(t, direct, "GRANT FILE ON *.* TO survive_owner@'%'")
	execute(t, direct, "REVOKE ALL ON `"+schema+"`.* FROM survive_usage@'%'")
	execute(t, direct, "CREATE TABLE calm (id INT PRIMARY KEY AUTO_INCREMENT, b INT)")
	execute(t, direct, "INSERT INTO calm (b) SELECT seq % 1000 FROM "+mariadbdtest.Numbers(20_000))
	for i := range stormSessions {
		execute(t, direct, fmt.Sprintf("CREATE TABLE bombed_%d (id BIGINT, b LONGTEXT)", i))
		execute(t, direct, fmt.Sprintf("CREATE TABLE mine_%d (id INT PRIMARY KEY, `c\\` INT, a INT)", i))
	}
	for _, b := range decodetest.Bombs(t) {
		s.bombs = append(s.bombs, fmt.Sprintf("FROM %s FORMAT '%s'", quote(s.file(b.Name, string(b.Content))), strings.Split(b.Name, ".")[1]))
	}
	h.run(h.session(0, ""), "SET GLOBAL dxf_native_ddl_max_size = 0")
	return s
}

// lie answers requests for lists with many objects of nothing, with pages without an end, or
// a byte at a time.
func lie(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodHead:
	case strings.Contains(r.URL.Path, "drip"):
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	case strings.Contains(r.URL.Path, "dense"):
		_, _ = io.WriteString(w, "<ListBucketResult>"+strings.Repeat("<Contents/>", 1_300_000)+"</ListBucketResult>")
	default:
		fmt.Fprintf(w, "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>", time.Now().UnixNano())
		for i := range 1000 {
			fmt.Fprintf(w, "<Contents><Key>o-%s-%d-%d.csv</Key><Size>1</Size></Contents>", strings.Repeat("x", 900), time.Now().UnixNano(), i)
		}
		_, _ = io.WriteString(w, "</ListBucketResult>")
	}
}

// taken is how much memory the node has had at most, in bytes.
func (s *storm) taken() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.node.PID()))
	require.NoError(s, err)
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	kib, err := strconv.Atoi(string(bytes.Fields(after)[0]))
	require.NoError(s, err)
	return kib << 10
}

// bystander asks for next to nothing again and again, and returns the longest wait.
func (s *storm) bystander(ctx context.Context) (slowest time.Duration) {
	db, err := s.open("survive_other")
	if err != nil {
		s.Error(err)
		return 0
	}
	defer db.Close()
	for ctx.Err() == nil {
		began := time.Now()
		var one int
		if err := db.QueryRowContext(s.Context(), "SELECT 1").Scan(&one); err != nil {
			s.Errorf("a bystander's SELECT 1: %v", err)
			return slowest
		}
		slowest = max(slowest, time.Since(began))
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return slowest
}

// open is a pool of one session as a user, through the node.
func (s *storm) open(user string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(s.node.DSN())
	if err != nil {
		return nil, err
	}
	cfg.User, cfg.Passwd, cfg.Logger = user, "pw", &mysql.NopLogger{}
	if user != "survive_usage" {
		cfg.DBName = s.schema
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	return db, nil
}

// session does one thing after the other until the storm is over. Whatever is answered
// is right, as long as the node is there.
func (s *storm) session(ctx context.Context, i int, rnd *rand.Rand) {
	for ctx.Err() == nil {
		what := deeds[rnd.IntN(len(deeds))]
		count, _ := s.kinds.LoadOrStore(what.name, new(atomic.Int64))
		count.(*atomic.Int64).Add(1)
		s.done.Add(1)
		limited, cancel := context.WithTimeout(ctx, stormPatience)
		if what.raw != nil {
			what.raw(limited, s)
			cancel()
			continue
		}
		db, err := s.open(what.user)
		if err != nil {
			s.Error(err)
			cancel()
			return
		}
		what.do(limited, s, db, i, rnd)
		cancel()
		_ = db.Close()
	}
}

// A deed is one of the things that somebody does; the number is that of his session.
type deed struct {
	name string
	user string
	do   func(ctx context.Context, s *storm, db *sql.DB, i int, rnd *rand.Rand)
	raw  func(ctx context.Context, s *storm) // without a login
}

// says is a deed of some statements.
func says(name, user string, statements func(s *storm, i int, rnd *rand.Rand) []string) deed {
	return deed{name: name, user: user, do: func(ctx context.Context, s *storm, db *sql.DB, i int, rnd *rand.Rand) {
		for _, q := range statements(s, i, rnd) {
			rows, err := db.QueryContext(ctx, q)
			if err != nil {
				continue
			}
			for rows.Next() {
			}
			_ = rows.Close()
		}
	}}
}

// always are statements that are the same every time.
func always(statements ...string) func(*storm, int, *rand.Rand) []string {
	return func(*storm, int, *rand.Rand) []string { return statements }
}

var deeds = []deed{
	says("rows without end in SHOW", "survive_usage", always("SHOW VARIABLES WHERE 1=0 UNION ALL SELECT a.TABLE_NAME, REPEAT('x',1000000) FROM information_schema.COLUMNS a, information_schema.COLUMNS b",
		"SHOW IMPORT JOBS WHERE (SELECT COUNT(*) FROM information_schema.COLUMNS a, information_schema.COLUMNS b) > 0")),
	// The store itself has no end with such a pattern, and does not hear that it is
	// killed meanwhile: none of its own variables begins as this one does.
	says("LIKE that backtracks", "survive_usage", always("SHOW VARIABLES LIKE 'tidb%%%%%%%%%%~'", "SHOW VARIABLES LIKE '"+strings.Repeat("%a", 5000)+"~'")),
	says("long SET", "survive_usage", always("IMPORT INTO a.b FROM '/x.csv' SET c = "+strings.Repeat("~", 1<<20), "IMPORT INTO a.b SET c = "+strings.Repeat("~", 1<<20))),
	says("long SET of an owner", "survive_owner", func(_ *storm, i int, _ *rand.Rand) []string {
		return []string{fmt.Sprintf("IMPORT INTO bombed_%d (id, @b) SET b = %s@b FROM '/x.csv'", i, strings.Repeat("~", 1<<20))}
	}),
	says("nesting", "survive_owner", func(_ *storm, i int, _ *rand.Rand) []string {
		const deep = 300_000
		return []string{
			"SELECT " + strings.Repeat("(", deep) + "1" + strings.Repeat(")", deep),
			fmt.Sprintf("ALTER TABLE mine_%d ADD INDEX i (%s1%s)", i, strings.Repeat("(", deep), strings.Repeat(")", deep)),
			fmt.Sprintf("ALTER TABLE mine_%d ADD CHECK (%sa)", i, strings.Repeat("NOT ", deep)),
			"/*" + strings.Repeat("/*!", deep) + "ALTER",
		}
	}),
	says("shifted spans", "survive_owner", func(_ *storm, i int, _ *rand.Rand) []string {
		return []string{"/*" + strings.Repeat("\xe9", 1<<18) + fmt.Sprintf("*/ALTER TABLE mine_%d ADD INDEX i1 (a) -- */", i), fmt.Sprintf("DROP INDEX i1 ON mine_%d", i)}
	}),
	says("awkward names", "survive_owner", func(_ *storm, i int, _ *rand.Rand) []string {
		return []string{"SET sql_mode = 'ANSI_QUOTES'", fmt.Sprintf("ALTER TABLE mine_%d ADD INDEX zi (a)", i), fmt.Sprintf("DROP INDEX zi ON mine_%d", i)}
	}),
	says("a table made again", "survive_owner", func(_ *storm, i int, _ *rand.Rand) []string {
		return []string{
			fmt.Sprintf("CREATE OR REPLACE TABLE again_%d (id INT PRIMARY KEY, big INT)", i), fmt.Sprintf("ALTER TABLE again_%d ADD INDEX b (big)", i),
			fmt.Sprintf("DROP TABLE again_%d", i), fmt.Sprintf("CREATE TABLE again_%d (id INT, CHECK (calm.b > 0), INDEX (b))", i),
		}
	}),
	says("settings of all", "survive_usage", always("SET tidb_service_scope = 'x'", "SET PERSIST tidb_service_scope = 'x'", "SET GLOBAL dxf_native_ddl_max_size = 1")),
	says("locks", "survive_usage", always("DO GET_LOCK('dxf_job_1', 0), GET_LOCK('dxf_turn_0', 0)")),
	says("files of credentials", "survive_owner", func(_ *storm, i int, _ *rand.Rand) []string {
		return []string{fmt.Sprintf("IMPORT INTO bombed_%d FROM 'gs://b/x.csv?credentials-file=/dev/zero'", i)}
	}),
	says("bombs", "survive_owner", func(s *storm, i int, rnd *rand.Rand) []string {
		return []string{fmt.Sprintf("IMPORT INTO bombed_%d %s", i, s.bombs[rnd.IntN(len(s.bombs))])}
	}),
	says("stores that lie", "survive_owner", func(s *storm, i int, rnd *rand.Rand) []string {
		bucket := []string{"drip", "dense", "endless"}[rnd.IntN(3)]
		return []string{fmt.Sprintf("IMPORT INTO bombed_%d FROM 's3://%s/o-*.csv?access-key=a&secret-access-key=b&endpoint=%s'", i, bucket, url.QueryEscape(s.liar))}
	}),
	says("services of this machine", "survive_owner", func(_ *storm, i int, _ *rand.Rand) []string {
		return []string{fmt.Sprintf("IMPORT INTO bombed_%d FROM 's3://a/b.csv?provider=minio&access-key=a&secret-access-key=b&endpoint=http://127.0.0.1:22'", i)}
	}),
	says("long statements", "survive_usage", always("SELECT LENGTH('"+strings.Repeat("x", 8<<20)+"')")),
	says("long rows", "survive_usage", always("SELECT REPEAT('x', 4000000) UNION ALL SELECT REPEAT('y', 4000000)")),
	{name: "prepared statements", user: "survive_usage", do: func(ctx context.Context, _ *storm, db *sql.DB, _ int, _ *rand.Rand) {
		for n := 0; n < 500 && ctx.Err() == nil; n++ {
			// Closed with the session.
			if st, err := db.PrepareContext(ctx, "SELECT '"+strings.Repeat("p", 1000)+"', ?"); err == nil {
				defer st.Close()
			}
		}
	}},
	{name: "clients that do not read", user: "survive_usage", do: func(ctx context.Context, _ *storm, db *sql.DB, _ int, _ *rand.Rand) {
		rows, err := db.QueryContext(ctx, "SELECT REPEAT('x', 1000000) FROM information_schema.COLUMNS")
		if err == nil {
			<-ctx.Done()
			_ = rows.Close()
		}
	}},
	{name: "clients that say nothing", raw: func(ctx context.Context, s *storm) {
		var d net.Dialer
		for range 20 {
			if c, err := d.DialContext(ctx, "tcp", s.node.Addr); err == nil {
				defer c.Close()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}},
	{name: "half a packet", raw: func(ctx context.Context, s *storm) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", s.node.Addr)
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Write(append([]byte{0xff, 0xff, 0xff, 1}, bytes.Repeat([]byte{0x8d}, 1<<16)...))
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, c)
	}},
}
