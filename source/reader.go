package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// reader reads a range of an object over as many connections as it takes.
type reader struct {
	source *Source
	ctx    context.Context
	file   File  // with the tag of the version being read, once known
	next   int64 // offset of the byte to come
	end    int64 // offset behind the last one; negative until known

	body   io.ReadCloser // nil between connections
	cancel context.CancelCauseFunc
	watch  *time.Timer // cancels the connection

	failures int // connections in a row that brought nothing
	err      error
}

// start makes the first connection, so that what is wrong with the file is said
// by OpenFile.
func (r *reader) start() error {
	known := r.file.Size
	for r.body == nil && r.next != r.end && r.err == nil {
		r.resume()
	}
	if r.err == nil && known >= 0 && known != r.file.Size && r.body != nil {
		r.err = r.source.changed(r.file.Path)
	}
	if r.err != nil {
		r.disconnect()
	}
	return r.err
}

// connect asks for the bytes that are still to come.
func (r *reader) connect() error {
	ctx, cancel := context.WithCancelCause(r.ctx)
	length := int64(-1)
	if r.end >= 0 {
		length = r.end - r.next
	}
	body, f, err := r.source.bucket.read(wantObject(ctx), r.file.Path, r.file.Tag, r.next, length)
	if err == nil {
		if err = r.sameVersion(f); err != nil {
			_ = body.Close() // nothing was read
		}
	}
	if err != nil {
		cancel(nil)
		return err
	}
	r.file = f
	if r.end < 0 || r.end > f.Size {
		r.end = f.Size
	}
	r.body, r.cancel = body, cancel
	r.watch = time.AfterFunc(r.source.idle, func() { cancel(errIdle) })
	r.watch.Stop()
	return nil
}

// sameVersion compares what a connection brings with what we began to read: not
// every store heeds the condition that we put into the request.
func (r *reader) sameVersion(f File) error {
	switch {
	case f.Tag == "":
		return &storeError{kind: errRefused, text: "the store does not say which version of the object it sends"}
	case r.file.Tag != "" && r.file.Tag != f.Tag:
		return &storeError{kind: errChanged, text: "another version"}
	}
	return nil
}

func (r *reader) disconnect() {
	if r.body == nil {
		return
	}
	r.watch.Stop()
	r.cancel(nil)
	_ = r.body.Close() // what it has to say, Read has said
	r.body = nil
}

// Read gives the bytes that come next. Only the time in here counts as idle:
// whoever reads may take all the time in the world between two calls.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.err == nil {
		if r.next == r.end {
			r.err = io.EOF
			break
		}
		if r.body == nil {
			r.resume()
			continue
		}
		r.watch.Reset(r.source.idle)
		n, err := r.body.Read(p[:min(int64(len(p)), r.end-r.next)])
		r.watch.Stop()
		r.next += int64(n)
		if n > 0 {
			r.failures = 0
		}
		if err != nil && r.next < r.end {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			r.broken(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	r.disconnect()
	return 0, r.err
}

// broken ends a connection, and the reader if too many ended like this.
func (r *reader) broken(err error) {
	r.disconnect()
	r.failures++
	if r.ctx.Err() != nil || r.failures > resumes {
		r.fail(err)
	}
}

func (r *reader) fail(err error) {
	if errors.Is(err, errChanged) {
		r.err = r.source.changed(r.file.Path)
		return
	}
	r.err = r.source.readError(r.ctx, err, r.file.Path)
}

// resume connects, if not for the first time after a pause that grows with the
// failures.
func (r *reader) resume() {
	if r.failures > 0 {
		timer := time.NewTimer(min(r.source.pause<<(r.failures-1), lastPause))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.ctx.Done():
			r.err = context.Cause(r.ctx)
			return
		}
	}
	err := r.connect()
	if errors.Is(err, errRange) {
		err = r.atEnd()
	}
	var said *storeError
	switch {
	case err == nil:
	case errors.As(err, &said) && said.permanent():
		r.fail(err)
	default:
		r.broken(err)
	}
}

// atEnd is for a range that the store does not have: the offset may be the end
// of the file, which is no mistake.
func (r *reader) atEnd() error {
	ctx, cancel := context.WithTimeout(r.ctx, askTime)
	defer cancel()
	f, err := r.source.bucket.stat(ctx, r.file.Path)
	switch {
	case err != nil:
		return err
	case r.file.Tag != "" && r.file.Tag != f.Tag, r.file.Size >= 0 && r.file.Size != f.Size:
		return &storeError{kind: errChanged, text: "another version"}
	case f.Size != r.next:
		return &storeError{kind: errRange, text: fmt.Sprintf("the file has %d bytes, offset %d is behind them", f.Size, r.next)}
	}
	r.file, r.end = f, f.Size
	return nil
}

// Close ends the reader and its connection.
func (r *reader) Close() error {
	if r.err == nil {
		r.err = errors.New("read of a closed file")
	}
	r.disconnect()
	return nil
}
