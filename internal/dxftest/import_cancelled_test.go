package dxftest

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
	"dxfproxy/importinto"
)

// importRows is how many rows the files of importFiles hold.
const importRows = 18_000

// importFiles writes files enough for all nodes and returns the statement that loads
// them.
func (im *importer) importFiles(packed bool) string {
	im.Helper()
	const files = 12
	write, suffix := im.file, ".csv"
	if packed {
		write, suffix = im.packed, ".csv.gz"
	}
	for i := range files {
		write(fmt.Sprintf("rows-%02d%s", i, suffix), csvRows(i*importRows/files+1, (i+1)*importRows/files))
	}
	// Not faster than that: there is to be time for what happens meanwhile.
	return "IMPORT INTO load_t FROM " + quote(im.dir+"/rows-*"+suffix) + " WITH max_write_speed = '4MiB'"
}

// poller reads the number of rows of load_t all the time.
type poller struct {
	stop context.CancelFunc
	done sync.WaitGroup
	seen map[int]int
	err  error
}

func (im *importer) poll() *poller {
	ctx, cancel := context.WithCancel(im.Context())
	p := &poller{stop: cancel, seen: map[int]int{}}
	im.Cleanup(func() { cancel(); p.done.Wait() })
	p.done.Add(1)
	go func() {
		defer p.done.Done()
		pause := time.NewTicker(5 * time.Millisecond)
		defer pause.Stop()
		for ctx.Err() == nil {
			var n int
			if p.err = im.direct.QueryRowContext(context.WithoutCancel(ctx), "SELECT COUNT(*) FROM load_t").Scan(&n); p.err != nil {
				return
			}
			p.seen[n]++
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
		}
	}()
	return p
}

// zeroOr stops it. It has seen no row, or so many.
func (p *poller) zeroOr(t *testing.T, n int) {
	t.Helper()
	p.stop()
	p.done.Wait()
	require.NoError(t, p.err)
	t.Logf("rows that a reader saw: %v", p.seen)
	require.Positive(t, p.seen[0], "it has not read while the import ran")
	for rows := range p.seen {
		require.Contains(t, []int{0, n}, rows, "a reader saw a part: %v", p.seen)
	}
}

// untilStep waits until the one task there is has come to a step, or its client has
// been answered.
func (im *importer) untilStep(step dxf.Step, answered chan error) {
	im.Helper()
	order := map[dxf.Step]int{importinto.StepProbe: 1, importinto.StepImport: 2, importinto.StepBuild: 3, importinto.StepPostProcess: 4, importinto.StepPublish: 5}
	require.Eventually(im, func() bool {
		var at sql.NullInt64
		err := im.direct.QueryRowContext(im.Context(), "SELECT step FROM `"+im.meta+"`.tidb_global_task").Scan(&at)
		return len(answered) > 0 || err == nil && order[dxf.Step(at.Int64)] >= order[step]
	}, 3*time.Minute, 3*time.Millisecond)
}

// TestImportCancelled cancels an import at a random moment again and again, in every
// way there is. The target is empty and nothing is left behind, unless it came too
// late: then all rows are there.
func TestImportCancelled(t *testing.T) {
	t.Parallel()
	im := newImporter(t, 3)
	execute(t, im.direct, loadTable)
	statement := im.importFiles(false)
	definition := im.definition("load_t")
	// How long it takes that is not cancelled.
	began := time.Now()
	im.load(0, statement)
	whole := time.Since(began)
	im.loaded(importRows)
	execute(t, im.direct, "TRUNCATE TABLE load_t")
	t.Logf("an import takes %v", whole.Round(time.Millisecond))

	first, ends := firstSeed(t), map[string]int{}
	for i := range runs(t, 2) {
		s := first + uint64(i)
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Logf("DXFPROXY_SEED=%d DXFPROXY_FAULT_RUNS=1 go test ./dxftest -run TestImportCancelled", s)
			rnd := rand.New(rand.NewPCG(s*0x9e3779b97f4a7c15, s))
			how := []string{"CANCEL", "KILL", "KILL elsewhere", "CANCEL of a detached one"}[s%4]
			ends[im.in(t).cancelled(statement, how, time.Duration(rnd.Int64N(int64(whole)*21/20)), definition)]++
		})
	}
	t.Log(ends)
}

// cancelled cancels the import after a while, and says how it ended.
func (im *importer) cancelled(statement, how string, while time.Duration, definition string) string {
	t := im.T
	client, admin := im.session(0, ""), im.session(1, "")
	killer := admin
	if how == "KILL" {
		killer = im.session(0, "")
		defer killer.Close()
	}
	defer client.Close()
	defer admin.Close()
	next := scan[int64](t, im.direct, "SELECT COALESCE(MAX(id), 0) + 1 FROM `"+im.meta+"`.tidb_import_jobs")
	connection := text(t, client, "SELECT CONNECTION_ID()")
	detached := strings.HasSuffix(how, "detached one")
	if detached {
		statement += ", DETACHED"
	}
	defer execute(t, im.direct, "TRUNCATE TABLE load_t")
	reader := im.poll()
	answered := make(chan error, 1)
	go func() {
		_, err := im.ask(client, statement)
		answered <- err
	}()
	moment := time.NewTimer(while)
	<-moment.C
	id := func() int64 {
		var id int64
		require.Eventually(t, func() bool {
			id = scan[int64](t, im.direct, "SELECT COALESCE(MAX(id), 0) FROM `"+im.meta+"`.tidb_import_jobs")
			return id >= next
		}, 20*time.Second, time.Millisecond, "no job")
		return id
	}
	began := time.Now()
	var err error
	if strings.HasPrefix(how, "KILL") {
		id()
		_, err = killer.ExecContext(t.Context(), "KILL QUERY "+connection)
	} else {
		_, err = admin.ExecContext(t.Context(), fmt.Sprintf("CANCEL IMPORT JOB %d", id()))
	}
	told := <-answered
	job := im.ended(admin, fmt.Sprint(id()))
	took := time.Since(began)
	t.Logf("%s after %v: %v; the client was told: %v; %s (%s) %v later", how, while, err, told, job["Status"], job["Result_Message"], took.Round(time.Millisecond))
	switch job["Status"] {
	case "finished":
		if strings.HasPrefix(how, "CANCEL") {
			refused(t, err, 8171, "HY000", "The current job status cannot perform the operation. CANCEL")
		}
		reader.zeroOr(t, importRows)
		im.loaded(importRows)
	default:
		require.NoError(t, err)
		require.Equal(t, "cancelled|cancelled by user|NULL", job["Status"]+"|"+job["Result_Message"]+"|"+job["End_Time"])
		if took > 10*time.Second {
			for _, n := range im.nodes {
				t.Logf("%s (%s):\n%s", n.Name, n.Addr, n.LogTail())
			}
			require.Fail(t, "too slow")
		}
		reader.zeroOr(t, 0)
		require.Zero(t, scan[int](t, im.direct, "SELECT COUNT(*) FROM load_t"))
		require.Equal(t, definition, im.definition("load_t"))
		if !detached {
			var e *mysql.MySQLError
			require.ErrorAs(t, told, &e)
			// Another node knows the connection by its job only, and cancels that.
			require.Equal(t, map[string]uint16{"KILL": 1317, "KILL elsewhere": 1105, "CANCEL": 1105}[how], e.Number, e.Message)
		}
	}
	im.nothingLeft()
	return job["Status"]
}
