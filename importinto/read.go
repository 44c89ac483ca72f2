package importinto

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"go.uber.org/zap"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/source"
)

// rowsInChunk bounds what a chunk of tiny rows needs beside its bytes.
const rowsInChunk = 100_000

// A producer reads the pieces of a subtask and fills chunks, one ahead of the
// loader. It is used by one goroutine.
type producer struct {
	*run
	columns []*column
	src     *source.Source
	zone    *time.Location // of the client's session, for Parquet
	pieces  []source.Piece
	at      point
	size    *atomic.Int64 // bytes of a chunk
	server  decode.Server // the store
	held    *holding      // of the node's memory
	infile  bool          // rows go in by LOAD DATA

	full chan *chunk // filled ones
	free chan *chunk // one more than are loaded at once: that one is filled meanwhile
	// Of the chunk that was sent last.
	lastBegun, last <-chan struct{}

	c       *chunk // that is being filled
	layouts map[string]*layout
	names   []string // of the file, which file has resolved to matched
	matched []string
	latest  struct { // the layout of the row before
		names  []string
		raw    bool
		layout *layout
	}
	ragged bool // a row had fewer fields than there are targets
	done   int64
}

func newProducer(r *run, l *loader, src *source.Source, pieces []source.Piece, at point) *producer {
	first := make(chan struct{})
	close(first)
	p := &producer{
		run: r, columns: l.columns, src: src, pieces: pieces, at: at, size: &l.size, infile: l.infile, layouts: map[string]*layout{},
		full: make(chan *chunk), free: make(chan *chunk, l.lanes+1), last: first, lastBegun: first,
	}
	for range l.lanes + 1 {
		p.free <- &chunk{}
	}
	return p
}

// pieces reads what the subtask is to load.
func (r *run) pieces() ([]source.Piece, error) {
	var m PieceMeta
	if err := json.Unmarshal(r.Subtask.Meta, &m); err != nil || len(m.Pieces) == 0 {
		return nil, dxf.Errorf("read the meta of subtask %d: %v", r.Subtask.ID, err)
	}
	return m.Pieces, nil
}

// read is fill for a goroutine of its own: what a library does to a broken file is
// the subtask's error, not the node's.
func (p *producer) read(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.Log.Error("reader panicked", zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
			err = dxf.Errorf("panic occurred during import, please check log")
		}
	}()
	return p.fill(ctx)
}

// fill fills chunks until the pieces are read.
func (p *producer) fill(ctx context.Context) (err error) {
	defer close(p.full)
	if p.c, err = p.take(ctx); err != nil {
		return err
	}
	for i, piece := range p.pieces {
		if i >= p.at.Piece {
			if err := p.piece(ctx, piece); err != nil {
				// What was read before is worth keeping.
				return errors.Join(p.send(ctx), err)
			}
			p.at.Piece, p.at.At = i+1, decode.Start{}
		}
		p.done += weight(piece)
		p.c.bytes = p.done
	}
	p.at.All = true
	return p.send(ctx)
}

// weight is how many of the stored bytes are a piece's.
func weight(p source.Piece) int64 {
	if p.End > 0 {
		return p.End - p.Start
	}
	return p.Size
}

// take waits for an empty chunk.
func (p *producer) take(ctx context.Context) (*chunk, error) {
	select {
	case c := <-p.free:
		c.reset()
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// send hands the chunk over. Its checkpoint is where the producer is, behind the
// last row that was added.
func (p *producer) send(ctx context.Context) error {
	p.at.Rows += int64(len(p.c.rows))
	p.c.next = p.at
	p.c.afterBegun, p.c.after = p.lastBegun, p.last
	p.c.begun, p.c.done = make(chan struct{}), make(chan struct{})
	p.lastBegun, p.last = p.c.begun, p.c.done
	select {
	case p.full <- p.c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// flush sends the chunk and takes the next one.
func (p *producer) flush(ctx context.Context, o *opened, path string) (err error) {
	p.c.bytes = p.done + o.read()
	if err := p.send(ctx); err != nil {
		return err
	}
	if p.c, err = p.take(ctx); err == nil {
		p.c.file(path)
	}
	return err
}

// piece reads one piece.
func (p *producer) piece(ctx context.Context, piece source.Piece) error {
	o, err := p.open(ctx, piece)
	if err != nil {
		return err
	}
	defer o.close()
	p.c.file(piece.Path)
	for {
		row, err := o.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return readError(piece.Path, err)
		}
		l, zone, err := p.layout(row)
		if err != nil {
			return inFile(err, piece.Path, row.Line, row.Offset)
		}
		if len(p.c.rows) > 0 && (p.c.layout != l || p.c.zone != zone) {
			if err := p.flush(ctx, o, piece.Path); err != nil {
				return err
			}
		}
		if n := rowLength(row); n > longRow {
			if err := p.alone(ctx, o, piece.Path, n, l.listed); err != nil {
				return inFile(readError(piece.Path, err), piece.Path, row.Line, row.Offset)
			}
		}
		p.c.layout, p.c.zone = l, zone
		if err := p.c.add(row); err != nil {
			return inFile(err, piece.Path, row.Line, row.Offset)
		}
		p.at.At = o.Resume()
		if int64(len(p.c.data)) >= p.size.Load() || len(p.c.rows) >= rowsInChunk {
			if err := p.flush(ctx, o, piece.Path); err != nil {
				return err
			}
		}
	}
}

// longRow is the length of a row that is loaded alone: what is of its length is there
// once, and not in every chunk.
const longRow = 1 << 20

func rowLength(row decode.Row) (n int) {
	for _, f := range row.Fields {
		n += len(f.Value)
	}
	return n
}

// alone makes room for a long row in an empty chunk, when all that was read before is
// loaded. As digits, or with every byte escaped, it is twice as long there.
func (p *producer) alone(ctx context.Context, o *opened, path string, length int, listed bool) error {
	times := int64(2)
	if listed || !p.infile {
		times = 4 // in a statement, too
	}
	if err := p.held.hold(ctx, byLongRow, times*int64(length)); err != nil {
		return err
	}
	if len(p.c.rows) > 0 {
		if err := p.flush(ctx, o, path); err != nil {
			return err
		}
	}
	select {
	case <-p.last:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if cap(p.c.data) < 2*length+1<<10 {
		p.c.data = make([]byte, 0, 2*length+1<<10)
	}
	return nil
}

// layout finds the layout of a row, and the time zone of its values.
func (p *producer) layout(row decode.Row) (*layout, string, error) {
	zone := p.meta.TimeZone
	var names []string
	raw := false
	switch p.meta.Format {
	case "sql":
		names, raw = row.Columns, strings.EqualFold(row.Names, "binary")
		if row.TimeZone != "" {
			zone = row.TimeZone
		}
		if len(names) == 0 && len(row.Fields) == 0 && p.meta.Fields == nil {
			names = []string{} // VALUES (): all are defaults
		}
	case "parquet":
		var err error
		if names, err = p.byName(row.Columns); err != nil {
			return nil, "", err
		}
	}
	// An INSERT has as many values as columns. Where it has not, a tool has lost its
	// column list, and the values may be anybody's.
	exact := p.meta.Format == "sql" && p.meta.Fields == nil
	l := p.latest.layout
	if l == nil || p.latest.raw != raw || !sameSlice(p.latest.names, names) {
		l = p.layouts[layoutKey(names, raw)]
	}
	if l == nil || !exact && !l.ragged && len(row.Fields) < len(l.targets) {
		var err error
		p.ragged = p.ragged || l != nil
		if l, err = p.layoutOf(names, raw, p.ragged); err != nil {
			return nil, "", err
		}
		if !exact && !l.ragged && len(row.Fields) < len(l.targets) {
			p.ragged = true
			if l, err = p.layoutOf(names, raw, true); err != nil {
				return nil, "", err
			}
		}
		if len(p.layouts) == maxLayouts {
			clear(p.layouts)
		}
		p.layouts[layoutKey(names, raw)] = l
	}
	p.latest.names, p.latest.raw, p.latest.layout = names, raw, l
	if exact && len(row.Fields) != len(l.targets) {
		return nil, "", &dxf.Error{Code: server.ErrWrongValueCountOnRow, State: "21S01",
			Message: fmt.Sprintf("Column count doesn't match value count, %d and %d", len(l.targets), len(row.Fields))}
	}
	if l = l.fit(row, p.c.layout); l.utc {
		zone = "+00:00"
	}
	return l, zone, nil
}

// layoutKey tells layouts apart.
func layoutKey(names []string, raw bool) string {
	key := strings.Join(names, "\x00")
	if raw {
		key += "\x00\x00raw"
	}
	if names == nil {
		key = "\x00" + key
	}
	return key
}

// sameSlice says whether two lists are one, in the same place.
func sameSlice(a, b []string) bool {
	return len(a) == len(b) && unsafe.SliceData(a) == unsafe.SliceData(b)
}

// maxLayouts is how many lists of columns are remembered: a dump has one for each
// table, a hostile file one for each row.
const maxLayouts = 64

// readError makes what a file has wrong the user's error. Errors of the source stay
// what they are.
func readError(path string, err error) error {
	var bad *decode.Error
	var own *dxf.Error
	var much *tooMuch
	if !errors.As(err, &bad) {
		if errors.As(err, &much) {
			return dxf.Errorf("%s: %s", path, err)
		}
		if errors.As(err, &own) || source.Retryable(err) {
			return err
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return &dxf.Error{Code: 8160, State: "HY000", Class: "executor",
				Message: fmt.Sprintf("Failed to read source files. Reason: %s ends too early. Please check the file location is correct", path)}
		}
		return fmt.Errorf("read %s: %w", path, err)
	}
	e := dxf.Errorf("%s: %s", path, bad)
	var set *decode.CharsetError
	if errors.As(err, &set) {
		e.Code = 1366
	}
	return e
}

// inFile adds the place of a row to an error.
func inFile(err error, path string, line, offset int64) error {
	var own *dxf.Error
	if !errors.As(err, &own) {
		return err
	}
	e := *own
	place := fmt.Sprintf("row at %d", offset)
	if line > 0 {
		place = fmt.Sprintf("line %d", line)
	}
	e.Message = fmt.Sprintf("%s (file %s, %s)", e.Message, path, place)
	return &e
}

// location is the client's time zone as Go knows it; a store that speaks of its
// system's zone in a way that Go does not know is taken for what its clock shows.
func (r *run) location(ctx context.Context, s *server.Session) (*time.Location, error) {
	const selectZone = `SELECT @@SESSION.time_zone, @@system_time_zone, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), NOW())`
	var session, system string
	var offset int
	if err := s.QueryRowContext(ctx, selectZone).Scan(&session, &system, &offset); err != nil {
		return nil, fmt.Errorf("ask for the time zone: %w", err)
	}
	if session == "SYSTEM" {
		session = system
	}
	if !strings.ContainsAny(session, "+-") || strings.Contains(session, "/") {
		if l, err := time.LoadLocation(session); err == nil {
			return l, nil
		}
	}
	return time.FixedZone(session, offset), nil
}

// strict says whether a sql_mode makes errors of bad values.
func strict(mode string) bool {
	return slices.ContainsFunc(strings.Split(strings.ToUpper(mode), ","), func(m string) bool {
		return m == "STRICT_TRANS_TABLES" || m == "STRICT_ALL_TABLES" || m == "TRADITIONAL"
	})
}
