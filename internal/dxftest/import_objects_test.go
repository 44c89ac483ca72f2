package dxftest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dxfproxy/importinto"
	"dxfproxy/source/sourcetest"
)

// secrets are what nobody must read who was not given it: the S3 server's key as
// typed and as URIs escape it, a wrong one, and the token of the GCS server.
var secrets = []string{sourcetest.Secret, url.QueryEscape(sourcetest.Secret), "of+test", "of%2Btest", "wrongsecret", "let-me-in", "PRIVATE KEY"}

// keptSecret looks for them in what nodes have logged, in all tables of the framework,
// in what clients are shown, and in the store's binlog and general log, whether an
// import is running or not.
func (im *importer) keptSecret() {
	im.Helper()
	look := func(where, text string) {
		for _, s := range secrets {
			if i := strings.Index(text, s); i >= 0 {
				require.Fail(im, "a secret", "%q in %s: %s", s, where, text[max(i-200, 0):min(i+200, len(text))])
			}
		}
	}
	for _, n := range im.nodes {
		log, err := os.ReadFile(n.Log)
		require.NoError(im, err)
		look("the log of "+n.Name, string(log))
	}
	for _, table := range strings.Fields(im.list("SELECT table_name FROM information_schema.tables WHERE table_schema = '" + im.meta + "'")) {
		look(table, im.list("SELECT * FROM `"+im.meta+"`."+table))
	}
	const filesSQL = "SELECT CONCAT_WS(' ', @@log_bin_basename, CASE LEFT(@@general_log_file, 1) WHEN '/' THEN '' ELSE @@datadir END, @@general_log_file)"
	files := strings.SplitN(strings.TrimSpace(im.list(filesSQL)), " ", 2)
	binlogs, err := filepath.Glob(files[0] + ".0*")
	require.NoError(im, err)
	require.NotEmpty(im, binlogs)
	for _, file := range append(binlogs, strings.ReplaceAll(files[1], " ", "")) {
		content, err := os.ReadFile(file)
		require.NoError(im, err)
		require.NotEmpty(im, content)
		look(file, string(content))
	}
	c := im.session(1, "")
	defer c.Close()
	shown := []string{
		"SHOW IMPORT JOBS", "SELECT * FROM mysql.tidb_import_jobs", "SELECT * FROM mysql.tidb_global_task_history",
		"SHOW FULL PROCESSLIST", "SELECT * FROM information_schema.processlist", "SELECT * FROM mysql.tidb_global_task",
	}
	for _, q := range shown {
		rows, err := im.ask(c, q)
		require.NoError(im, err)
		look(q, fmt.Sprint(rows))
	}
}

// TestImportObjects imports from stores of objects, over wires that are bent. Each
// import brings every row, or fails with the right number and leaves nothing.
func TestImportObjects(t *testing.T) {
	t.Parallel()
	for _, store := range []struct {
		name  string
		start func(testing.TB) sourcetest.Store

		noWire func(*objects) // one way of it each: it takes a while
	}{
		{"S3", func(t testing.TB) sourcetest.Store { return sourcetest.NewS3(t) }, (*objects).noWireForAWhile},
		{"GCS", func(t testing.TB) sourcetest.Store { return sourcetest.NewGCS(t) }, (*objects).noWireAnyMore},
	} {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			server := store.start(t)
			door := sourcetest.NewDoor(t, server.Endpoint())
			im := newImporter(t, 3, "--import-endpoints", server.Endpoint()+","+door.Endpoint())
			execute(t, im.direct, loadTable)
			execute(t, im.direct, "SET GLOBAL log_output = 'FILE'")
			execute(t, im.direct, "SET GLOBAL general_log = ON")
			for _, c := range []struct {
				name string
				test func(*objects)
			}{
				{"Loads", (*objects).loads},
				{"Refuses", (*objects).refuses},
				{"Gone", (*objects).gone},
				{"Changed", (*objects).changed},
				{"BrokenWire", (*objects).brokenWire},
				{"SlowWire", (*objects).slowWire},
				{"NoWire", store.noWire},
			} {
				t.Run(c.name, func(t *testing.T) {
					o := &objects{importer: im.in(t), store: server, door: door, folder: strings.ToLower(c.name)}
					door.To(t, server.Endpoint())
					defer execute(t, im.direct, "TRUNCATE TABLE load_t")
					c.test(o)
					o.nothingLeft()
					o.keptSecret()
				})
			}
		})
	}
}

// objects is an import of objects of a folder.
type objects struct {
	*importer
	store  sourcetest.Store
	door   *sourcetest.Door // by which it is reached
	folder string
}

// objectRows is how many rows put writes, into four objects.
const objectRows = 8000

func (o *objects) put() {
	o.Helper()
	for i := range 4 {
		o.store.Put(o, fmt.Sprintf("%s/rows-%d.csv", o.folder, i), []byte(csvRows(i*objectRows/4+1, (i+1)*objectRows/4)))
	}
}

func (o *objects) statement() string {
	return "IMPORT INTO load_t FROM " + quote(o.store.URI(o.door.Endpoint(), "bucket/"+o.folder+"/rows-*"))
}

func (o *objects) loads() {
	o.put()
	last := o.folder + "/rows-3.csv"
	o.store.Remove(o, last)
	path := o.packed("rows.csv.gz", csvRows(objectRows*3/4+1, objectRows))
	packed, err := os.ReadFile(path)
	require.NoError(o, err)
	o.store.Put(o, last+".gz", packed)
	o.store.Put(o, o.folder+"/other-4.csv", []byte("not,these,rows\n"))
	r := o.start(1, o.statement()+" WITH max_write_speed = '4MiB'")
	o.keptSecret()
	require.NoError(o, r.wait())
	o.loaded(objectRows)
	c := o.session(2, "")
	defer c.Close()
	require.NotContains(o, o.job(c)["Data_Source"], "secret/")
	require.Contains(o, o.job(c)["Data_Source"], "bucket/"+o.folder+"/rows-*")
}

// refuses what cannot be read at all: no job comes of it.
func (o *objects) refuses() {
	o.store.Put(o, "a.csv", []byte("1,1,c1,x\n"))
	jobs := func() int {
		return scan[int](o.T, o.direct, "SELECT COUNT(*) FROM `"+o.meta+"`.tidb_import_jobs")
	}
	before := jobs()
	o.refuse(0, "IMPORT INTO load_t FROM "+quote(o.store.BadURI()), 8159)
	o.refuse(1, "IMPORT INTO load_t FROM "+quote(o.store.URI(o.door.Endpoint(), "bucket/"+o.folder+"/no-such.csv")), 8160)
	require.Contains(o, o.refuse(2, "IMPORT INTO load_t FROM "+quote(o.store.URI(o.door.Endpoint(), "bucket/"+o.folder+"/no-such-*.csv")), 8173), "No file matched")
	c := o.session(0, "")
	defer c.Close()
	for _, path := range []string{"no-such-bucket/a.csv", "no-such-bucket/a*.csv"} {
		_, err := o.ask(c, "IMPORT INTO load_t FROM "+quote(o.store.URI(o.door.Endpoint(), path)))
		code := uint16(8160)
		if strings.Contains(err.Error(), "Access to the") { // S3 asks for the bucket's region first
			code = 8159
		}
		refused(o.T, err, code, "HY000", "")
	}
	require.Equal(o, before, jobs())
	// What the client is told has no secret either.
	_, err := o.ask(c, "IMPORT INTO load_t FROM "+quote(o.store.BadURI()))
	for _, s := range secrets {
		require.NotContains(o, err.Error(), s)
	}
}

// meanwhile does something when the first byte of an object is asked for, which is
// after the objects have been listed.
func (o *objects) meanwhile(object string, do func()) {
	var once sync.Once
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, err := url.PathUnescape(r.URL.EscapedPath())
		if err == nil && r.Method == http.MethodGet && strings.HasSuffix(path, object) && !r.URL.Query().Has("list-type") {
			once.Do(do)
		}
		switch s := o.store.(type) {
		case *sourcetest.S3:
			s.Front.Config.Handler.ServeHTTP(w, r)
		case *sourcetest.GCS:
			s.Front.Config.Handler.ServeHTTP(w, r)
		}
	}))
	o.Cleanup(front.Close)
	o.door.To(o, front.URL)
}

func (o *objects) gone() {
	o.put()
	object := o.folder + "/rows-2.csv"
	o.meanwhile("rows-2.csv", func() { o.store.Remove(o, object) })
	reader := o.poll()
	message := o.refuse(1, o.statement(), 8160)
	require.Contains(o, message, object)
	reader.zeroOr(o.T, 0)
}

func (o *objects) changed() {
	o.put()
	object := o.folder + "/rows-1.csv"
	o.meanwhile("rows-1.csv", func() {
		o.store.Put(o, object, bytes.ReplaceAll([]byte(csvRows(objectRows/4+1, objectRows/2)), []byte("x"), []byte("y")))
	})
	message := o.refuse(2, o.statement(), 8160)
	require.Contains(o, message, object+" changed while it was imported")
	require.Zero(o, scan[int](o.T, o.direct, "SELECT COUNT(*) FROM load_t"))
}

func (o *objects) brokenWire() {
	o.put()
	w := sourcetest.NewWire(o, o.store.Endpoint())
	o.door.To(o, w.Endpoint())
	w.CutAfter.Store(700_000) // each object is 2 MB
	rows := o.load(0, o.statement())
	require.Equal(o, fmt.Sprint(objectRows), rows["Imported_Rows"])
	o.loaded(objectRows)
	require.Greater(o, w.Taken.Load(), int64(8), "connections")
}

func (o *objects) slowWire() {
	o.put()
	w := sourcetest.NewWire(o, o.store.Endpoint())
	o.door.To(o, w.Endpoint())
	w.Trickle.Store(int64(2 * time.Millisecond)) // 2 MB/s each
	reader := o.poll()
	o.load(0, o.statement())
	reader.zeroOr(o.T, objectRows)
	o.loaded(objectRows)
}

// noWireForAWhile: an import waits for a store that is away, and goes on.
func (o *objects) noWireForAWhile() {
	w, answer := o.cutOff()
	o.keptSecret()
	w.CutAfter.Store(0)
	w.Trickle.Store(0)
	w.Refuse.Store(false)
	require.NoError(o, <-answer)
	o.loaded(objectRows)
}

// noWireAnyMore: one that waits for a store can be cancelled.
func (o *objects) noWireAnyMore() {
	_, answer := o.cutOff()
	admin := o.session(1, "")
	defer admin.Close()
	began := time.Now()
	_, err := admin.ExecContext(o.Context(), "CANCEL IMPORT JOB "+o.job(admin)["Job_ID"])
	require.NoError(o, err)
	require.Less(o, time.Since(began), 10*time.Second)
	refused(o.T, <-answer, 1105, "HY000", "cancelled by user")
	require.Zero(o, scan[int](o.T, o.direct, "SELECT COUNT(*) FROM load_t"))
}

// cutOff starts an import whose store is away from then on.
func (o *objects) cutOff() (*sourcetest.Wire, chan error) {
	o.Helper()
	o.put()
	w := sourcetest.NewWire(o, o.store.Endpoint())
	o.door.To(o, w.Endpoint())
	w.Trickle.Store(int64(2 * time.Millisecond))
	w.CutAfter.Store(300_000)
	answer := make(chan error, 1)
	client := o.session(0, "")
	go func() {
		_, err := o.ask(client, o.statement())
		answer <- err
	}()
	o.untilStep(importinto.StepImport, answer)
	w.Refuse.Store(true)
	before := w.Taken.Load()
	require.Eventually(o, func() bool { return len(answer) > 0 || w.Taken.Load() > before+3 }, 30*time.Second, 10*time.Millisecond)
	require.Empty(o, answer, "it gave up")
	return w, answer
}
