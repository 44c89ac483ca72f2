package sqlhandler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/importinto"
	"dxfproxy/protocol"
	"dxfproxy/server"
	"dxfproxy/sqltext"
)

// importColumns are the columns of SHOW IMPORT JOBS and of the answer to IMPORT
// INTO, with TiDB's lengths: it says 4 of every text, whatever is in it.
var importColumns = []protocol.Column{
	{Name: "Job_ID", Type: protocol.TypeLongLong, Length: 20},
	{Name: "Data_Source", Type: protocol.TypeString, Length: 4},
	{Name: "Target_Table", Type: protocol.TypeString, Length: 4},
	{Name: "Table_ID", Type: protocol.TypeLongLong, Length: 20},
	{Name: "Phase", Type: protocol.TypeString, Length: 4},
	{Name: "Status", Type: protocol.TypeString, Length: 4},
	{Name: "Source_File_Size", Type: protocol.TypeString, Length: 4},
	{Name: "Imported_Rows", Type: protocol.TypeLongLong, Length: 20},
	{Name: "Result_Message", Type: protocol.TypeString, Length: 4},
	{Name: "Create_Time", Type: protocol.TypeTimestamp, Length: 19, Decimals: 6},
	{Name: "Start_Time", Type: protocol.TypeTimestamp, Length: 19, Decimals: 6},
	{Name: "End_Time", Type: protocol.TypeTimestamp, Length: 19, Decimals: 6},
	{Name: "Created_By", Type: protocol.TypeString, Length: 4},
}

// errNotYourJob refuses who neither made a job nor is SUPER.
var errNotYourJob = &dxf.Error{
	Code: server.ErrSpecificAccessDenied, State: "42000", Class: "planner",
	Message: "Access denied; you need (at least one of) the SUPER privilege(s) for this operation",
}

// showImportJob answers SHOW IMPORT JOB id.
func (h *Handler) showImportJob(ctx context.Context, c *protocol.Conn, id int64) (protocol.Reply, error) {
	j, err := h.itsImport(ctx, c, id)
	if err != nil {
		return nil, err
	}
	zone, err := askZone(ctx, c)
	if err != nil {
		return nil, err
	}
	return &protocol.ResultSet{Columns: importColumns, Rows: [][]any{importRow(j, zone)}}, nil
}

// showImportJobs answers SHOW IMPORT JOBS: the client's own, or with SUPER all.
func (h *Handler) showImportJobs(ctx context.Context, c *protocol.Conn, st *sqltext.ShowImportJobs) (protocol.Reply, error) {
	user, err := h.account(ctx, c)
	if err != nil {
		return nil, err
	}
	super, err := isSuper(ctx, c)
	if err != nil {
		return nil, err
	}
	zone, err := askZone(ctx, c)
	if err != nil {
		return nil, err
	}
	var jobs []dxf.ImportJob
	if super {
		jobs, err = h.imports.ImportJobs(ctx)
	} else {
		jobs, err = h.imports.UserImports(ctx, user)
	}
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, j := range jobs {
		rows = append(rows, importRow(j, zone))
	}
	where := st.Where
	if st.Like != nil {
		where = fmt.Sprintf("CAST(Job_ID AS CHAR) LIKE _utf8mb4 x'%x'", *st.Like)
	}
	if where != "" {
		return filter(ctx, c, importColumns, rows, where)
	}
	return &protocol.ResultSet{Columns: importColumns, Rows: rows}, nil
}

// changeImportJob answers CANCEL, PAUSE and RESUME IMPORT JOB.
func (h *Handler) changeImportJob(ctx context.Context, c *protocol.Conn, st *sqltext.ChangeImportJob) (protocol.Reply, error) {
	switch st.Verb {
	case sqltext.Cancel:
		return h.cancelImportJob(ctx, c, st.ID)
	case sqltext.Pause:
		return h.pauseImportJob(ctx, c, st.ID)
	}
	return h.resumeImportJob(ctx, c, st.ID)
}

// cancelImportJob answers CANCEL IMPORT JOB id when all is undone.
func (h *Handler) cancelImportJob(ctx context.Context, c *protocol.Conn, id int64) (protocol.Reply, error) {
	if _, err := h.itsImport(ctx, c, id); err != nil {
		return nil, err
	}
	if err := h.imports.CancelImport(ctx, id); err != nil {
		return nil, err
	}
	h.wakeAll()
	job := h.importJob(id, time.UTC)
	// The client that cancels may be killed: the job is cancelled all the same.
	job.cancel = func(context.Context) error { return nil }
	look, finished := job.look, false
	job.look = func(ctx context.Context) (ending, error) {
		e, err := look(ctx)
		finished = err == nil && e.ended && e.succeeded
		return e, err
	}
	if _, err := h.wait(ctx, c, job); err != nil {
		return nil, err
	}
	if cause := context.Cause(ctx); cause != nil {
		return interruption(cause), nil
	}
	if finished { // the rows were in the table before the owner heard of it
		return nil, importError(8171, "The current job status cannot perform the operation. CANCEL")
	}
	return protocol.OK{}, nil
}

// pauseImportJob answers PAUSE IMPORT JOB id when no node works on it any more.
func (h *Handler) pauseImportJob(ctx context.Context, c *protocol.Conn, id int64) (protocol.Reply, error) {
	if _, err := h.itsImport(ctx, c, id); err != nil {
		return nil, err
	}
	if err := h.imports.PauseImport(ctx, id); err != nil {
		return nil, err
	}
	h.wakeAll()
	job := h.importJob(id, time.UTC)
	// Whoever pauses may be killed, and has paused it all the same.
	job.cancel = func(context.Context) error { return nil }
	job.look = func(ctx context.Context) (ending, error) {
		j, err := h.imports.ImportJob(ctx, id)
		switch {
		case err != nil:
			return ending{}, err
		case j.Status.Ended(): // by a piece that failed, or somebody who cancelled
			return ending{ended: true, reply: packet(importError(8171, "The current job status cannot perform the operation. PAUSE"))}, nil
		case j.Progress == nil:
			return ending{}, nil
		}
		switch j.Progress.State {
		case dxf.TaskPaused, dxf.TaskResuming, dxf.TaskRunning: // and maybe resumed by somebody
			return ending{ended: true, succeeded: true, reply: protocol.OK{}}, nil
		}
		return ending{}, nil
	}
	return h.wait(ctx, c, job)
}

// resumeImportJob answers RESUME IMPORT JOB id.
func (h *Handler) resumeImportJob(ctx context.Context, c *protocol.Conn, id int64) (protocol.Reply, error) {
	if _, err := h.itsImport(ctx, c, id); err != nil {
		return nil, err
	}
	if err := h.imports.ResumeImport(ctx, id); err != nil {
		return nil, err
	}
	h.wakeAll()
	return protocol.OK{}, nil
}

// itsImport finds a job that the client may see, and stop.
func (h *Handler) itsImport(ctx context.Context, c *protocol.Conn, id int64) (dxf.ImportJob, error) {
	j, err := h.imports.ImportJob(ctx, id)
	if errors.Is(err, dxf.ErrNotFound) {
		return j, importError(8170, "Job ID %d doesn't exist", id)
	}
	if err != nil {
		return j, err
	}
	user, err := h.account(ctx, c)
	if err != nil || j.CreatedBy == user {
		return j, err
	}
	super, err := isSuper(ctx, c)
	if err == nil && !super {
		err = errNotYourJob
	}
	return j, err
}

// importRow is a job's row in SHOW IMPORT JOBS.
func importRow(j dxf.ImportJob, zone *time.Location) []any {
	at := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.In(zone).Format(datetime)
	}
	var rows any
	if j.Status == dxf.ImportRunning || j.Status == dxf.ImportFinished {
		rows = j.Rows
	}
	message := ""
	switch {
	case j.Error != nil:
		message = j.Error.Text()
	case !j.Status.Ended():
		message = importProgress(j)
	}
	return []any{
		j.ID, j.Parameters.FileLocation, server.Quote(j.Schema, j.Table), j.TableID,
		string(j.Phase), string(j.Status), binarySize(j.SourceSize), rows, message,
		at(j.CreateTime), at(j.StartTime), at(j.EndTime), j.CreatedBy,
	}
}

// importProgress is how far an unfinished job is, in words: the step, and while
// rows are read how many bytes of all, how fast, and how long still; then what it
// waits for, and what planning has found.
func importProgress(j dxf.ImportJob) string {
	var parts []string
	p := j.Progress
	if p != nil && p.Step > 0 {
		parts = append(parts, importinto.Type.StepName(p.Step))
		if p.Step == importinto.StepImport && p.Size > 0 {
			parts = append(parts, fmt.Sprintf("%s of %s", binarySize(p.Bytes), binarySize(p.Size)))
			if seconds := p.Elapsed.Seconds(); seconds >= 1 && j.Rows > 0 && p.State == dxf.TaskRunning {
				parts = append(parts, fmt.Sprintf("%.0f rows/s", float64(j.Rows)/seconds))
			}
			if left := timeLeft(p); left > 0 && p.State == dxf.TaskRunning {
				parts = append(parts, left.String()+" left")
			}
		}
	}
	if p != nil {
		switch p.State {
		case dxf.TaskCancelling, dxf.TaskReverting, dxf.TaskPausing, dxf.TaskResuming:
			parts = append(parts, string(p.State))
		case dxf.TaskPaused:
			parts = append(parts, fmt.Sprintf("paused, to go on: RESUME IMPORT JOB %d", j.ID))
		}
	}
	if j.Waiting != "" {
		parts = append(parts, j.Waiting)
	}
	if j.Progress != nil && j.Progress.Note != "" {
		parts = append(parts, j.Progress.Note)
	}
	return strings.Join(parts, ", ")
}

// timeLeft is how long the step import will take, if it goes on as fast as it has
// gone; 0 when that is not known.
func timeLeft(p *dxf.Progress) time.Duration {
	if p.Bytes <= 0 || p.Bytes >= p.Size || p.Elapsed < time.Second {
		return 0
	}
	left := p.Elapsed.Seconds() * float64(p.Size-p.Bytes) / float64(p.Bytes)
	return time.Duration(left+1) * time.Second
}

// binarySize writes a number of bytes as TiDB does: four digits that count, in
// units of 1024.
func binarySize(n int64) string {
	size, unit := float64(n), 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for size >= 1024 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	return fmt.Sprintf("%.4g%s", size, units[unit])
}

// importJob is an import to wait for; zone is that of the client's times.
func (h *Handler) importJob(id int64, zone *time.Location) waitable {
	var last dxf.ImportJob
	return waitable{
		name: fmt.Sprintf("import job %d", id),
		look: func(ctx context.Context) (ending, error) {
			j, err := h.imports.ImportJob(ctx, id)
			if err != nil {
				return ending{}, err
			}
			last = j
			e := ending{ended: j.Status.Ended(), succeeded: j.Status == dxf.ImportFinished}
			switch {
			case e.succeeded:
				e.reply = &protocol.ResultSet{Columns: importColumns, Rows: [][]any{importRow(j, zone)}}
			case j.Error != nil:
				e.reply = packet(j.Error)
			default:
				e.reply = packet(errCancelled)
			}
			return e, nil
		},
		progress: func(context.Context) (report, error) { return importReport(last), nil },
		cancel:   func(ctx context.Context) error { return h.imports.CancelImport(ctx, id) },
	}
}

// importStages are the steps of an import in order, as stages of a progress bar.
var importStages = map[dxf.Step]uint8{
	importinto.StepProbe: 1, importinto.StepImport: 1, importinto.StepBuild: 2, importinto.StepPostProcess: 3, importinto.StepPublish: 4,
}

// importReport tells how far an import is.
func importReport(j dxf.ImportJob) report {
	r := report{stage: 1, stages: 4, info: importProgress(j)}
	if r.info == "" {
		r.info = string(j.Status)
	}
	p := j.Progress
	if p == nil {
		return r
	}
	if s := importStages[p.Step]; s > 0 {
		r.stage = s
	}
	switch {
	case p.Step == importinto.StepImport && p.Size > 0:
		r.percent = 100 * float64(p.Bytes) / float64(p.Size)
	case p.Total > 0:
		r.percent = 100 * float64(p.Done) / float64(p.Total)
	}
	return r
}
