package sqlhandler

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"dxfproxy/dxf"
	"dxfproxy/protocol"
	"dxfproxy/sqltext"
	"dxfproxy/sysvars"
)

// jobOptions are the options of ADMIN ALTER DDL JOBS.
var jobOptions = map[string]struct {
	modify    string
	low, high int64
	size      bool // may be a text such as 2MiB
}{
	"thread":          {modify: dxf.ModifyConcurrency, low: 1, high: 256},
	"batch_size":      {modify: dxf.ModifyBatchSize, low: 32, high: 10240},
	"max_write_speed": {modify: dxf.ModifyMaxWriteSpeed, low: 0, high: 1 << 50, size: true},
}

// alterLimit is for an earlier change to be seen by the owner: longer than it
// takes to elect one.
const alterLimit = 15 * time.Second

// alterPause is the time between two looks whether it has been.
const alterPause = 50 * time.Millisecond

// alterJob answers ADMIN ALTER DDL JOBS id option = value, …. The values are
// checked before the job is looked for, in the order of the options' names.
func (h *Handler) alterJob(ctx context.Context, c *protocol.Conn, st *sqltext.AlterDDLJob) (protocol.Reply, error) {
	if err := h.mayChangeJobs(ctx, c, []int64{st.ID}); err != nil {
		return nil, err
	}
	options := slices.Clone(st.Options)
	slices.SortStableFunc(options, func(a, b sqltext.AdminOption) int { return strings.Compare(a.Name, b.Name) })
	var mods []dxf.Modification
	for _, o := range options {
		if o.Kind == sysvars.Expr || o.Kind == sysvars.WordValue {
			return nil, unsupported(string(st.SQL()))
		}
		m, err := modification(o)
		if err != nil {
			return nil, err
		}
		mods = append(mods, m)
	}
	id := st.ID
	err := h.whenAltered(ctx, id, func() error { return h.jobs.AlterJob(ctx, id, mods) })
	var e *dxf.Error
	if errors.As(err, &e) && e.Code == 8224 {
		return nil, dxf.Errorf("ddl job %d is not running", id)
	}
	if err != nil {
		return nil, err
	}
	h.wakeAll()
	return protocol.OK{}, nil
}

// whenAltered asks something of a job, again as long as it is just getting other parameters,
// or coming to a pause.
func (h *Handler) whenAltered(ctx context.Context, id int64, ask func() error) error {
	err := ask()
	for end := time.Now().Add(alterLimit); errors.Is(err, dxf.ErrTaskChanged); err = ask() {
		if time.Now().After(end) {
			return dxf.Errorf("ddl job %d is still being paused or altered; try again", id)
		}
		h.wakeAll()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(alterPause):
		}
	}
	return err
}

// modification checks an option; the errors are TiDB's.
func modification(o sqltext.AdminOption) (m dxf.Modification, err error) {
	known, ok := jobOptions[o.Name]
	if !ok {
		return m, dxf.Errorf("unsupported admin alter ddl jobs config: %s", o.Name)
	}
	m.Type = known.modify
	m.To, err = strconv.ParseInt(o.Value, 10, 64)
	whole := err == nil || errors.Is(err, strconv.ErrRange)
	switch {
	case o.Kind == sysvars.NumberValue && whole:
	case known.size && o.Kind == sysvars.StringValue:
		if m.To, err = sysvars.ParseSize(o.Value); err != nil {
			return m, dxf.Errorf("parse %s value error: %s", o.Name, err)
		}
		o.Value = strconv.FormatInt(m.To, 10)
	case known.size:
		return m, dxf.Errorf("the value %s for %s is invalid", o.Value, o.Name)
	default:
		return m, dxf.Errorf("the value for %s is invalid, only integer is allowed", o.Name)
	}
	if err != nil || m.To < known.low || m.To > known.high {
		return m, dxf.Errorf("the value %s for %s is out of range [%d, %d]", o.Value, o.Name, known.low, known.high)
	}
	return m, nil
}
