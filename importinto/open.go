package importinto

import (
	"context"
	"fmt"
	"io"
	"strings"

	"dxfproxy/decode"
	"dxfproxy/dxf"
	"dxfproxy/server"
	"dxfproxy/source"
)

// limits are what a reader may hold.
func (p *producer) limits(ctx context.Context) decode.Limits {
	return decode.Limits{
		Row:  int(p.worker.memory.Row),
		Hold: func(bytes int64) error { return p.held.hold(ctx, byReader, bytes) },
	}
}

// heeding ends with the context: who unpacks reads little and gives much.
type heeding struct {
	ctx context.Context
	r   io.Reader
}

func (h heeding) Read(b []byte) (int, error) {
	if h.ctx.Err() != nil {
		return 0, context.Cause(h.ctx)
	}
	return h.r.Read(b)
}

// opened is a piece that is being read.
type opened struct {
	decode.Reader
	close func()
	read  func() int64 // of the piece's stored bytes, about
}

// open begins to read a piece where the checkpoint says.
func (p *producer) open(ctx context.Context, piece source.Piece) (*opened, error) {
	p.held.next()
	at := p.at.At
	if at.Offset == 0 && piece.End > 0 {
		at = decode.Start{Offset: piece.Start, Cut: piece.Start > 0}
		if piece.End < piece.Size {
			at.Until = piece.End
		}
	}
	file := source.File{Path: piece.Path, Size: piece.Size, Tag: piece.Tag}
	if p.meta.Format == "parquet" {
		ra, err := p.src.FileAt(ctx, file)
		if err != nil {
			return nil, err
		}
		rd, err := decode.NewParquet(ra, piece.Size, at, p.limits(ctx))
		if err != nil {
			_ = ra.Close()
			return nil, readError(piece.Path, err)
		}
		return &opened{Reader: rd, close: func() { _ = ra.Close() }, read: func() int64 { return 0 }}, nil
	}
	from := at.Offset
	if source.Packed(piece.Path) {
		from = 0
	}
	stored, err := p.src.OpenFile(ctx, file, from, -1)
	if err != nil {
		return nil, err
	}
	count := &counting{r: stored}
	o := &opened{close: func() { _ = stored.Close() }, read: func() int64 { return min(count.n, weight(piece)) }}
	var r io.Reader = count
	if source.Packed(piece.Path) {
		unpacked, err := source.Unpack(piece.Path, count, func(bytes int64) error { return p.held.hold(ctx, byUnpacker, bytes) })
		if err != nil {
			o.close()
			return nil, readError(piece.Path, err)
		}
		o.close = func() { _ = unpacked.Close(); _ = stored.Close() }
		r = heeding{ctx, unpacked}
		if _, err := io.CopyN(io.Discard, r, at.Offset); err != nil {
			o.close()
			return nil, readError(piece.Path, err)
		}
	} else {
		begun := from - piece.Start
		o.read = func() int64 { return min(begun+count.n, weight(piece)) }
	}
	if p.meta.Format == "sql" {
		o.Reader = decode.NewSQL(r, at, p.server, p.limits(ctx))
	} else {
		o.Reader = decode.NewCSV(r, p.meta.CSV, at, p.limits(ctx))
	}
	return o, nil
}

// counting counts what is read.
type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// serverOf is the store, as far as comments in dumps are written for some servers only.
func serverOf(ctx context.Context, s *server.Session) (decode.Server, error) {
	var text string
	if err := s.QueryRowContext(ctx, "SELECT VERSION()").Scan(&text); err != nil {
		return decode.Server{}, fmt.Errorf("ask for the version: %w", err)
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(strings.TrimPrefix(text, "5.5.5-"), "%d.%d.%d", &major, &minor, &patch); err != nil {
		return decode.Server{}, dxf.Errorf("the store's version %q is none that is known", text)
	}
	return decode.Server{MariaDB: s.Family == server.MariaDB, Version: 10000*major + 100*minor + patch}, nil
}
