package decode

import "io"

// windowSize is what is read at once: fits the second cache level, and a row at the
// end of it that has to be moved is small beside it.
const windowSize = 256 << 10

// window is the part of a file that is in memory. What is from pos on is not done
// with; buf[0] is byte off of the file.
type window struct {
	r     io.Reader
	buf   []byte
	pos   int
	off   int64
	err   error // of r; io.EOF at the end
	size  int   // of buf, but for rows that are longer
	limit Limits
}

func newWindow(r io.Reader, off int64, size int, limit Limits) window {
	return window{r: r, buf: make([]byte, 0, size), off: off, size: size, limit: limit}
}

// offset is where pos is in the file.
func (w *window) offset() int64 { return w.off + int64(w.pos) }

// ended says that buf holds the file's last byte. An error that wraps io.EOF is not
// the end of the file: a row that it cuts off must not pass for the last.
func (w *window) ended() bool { return w.err == io.EOF } //nolint:errorlint // see above

// more forgets what is before pos and reads until the buffer is full, which it
// makes larger if it was. It returns false if there is nothing more. A full
// buffer each time keeps the work linear for who starts anew on a row that was cut off.
// A buffer that was made larger becomes small again when what is in it is done with.
func (w *window) more() bool {
	if w.err != nil {
		return false
	}
	left := w.buf[w.pos:]
	size := cap(w.buf)
	switch {
	case len(left) == size:
		size = min(2*size, max(w.limit.row()+w.size, size+w.size))
		// Both buffers, and a copy of the values in the row, without its escapes.
		if err := w.limit.hold(2*int64(size) + int64(len(left))); err != nil {
			w.err = err
			return false
		}
	case size > w.size && len(left) <= w.size/2:
		size = w.size
	}
	w.off += int64(w.pos)
	w.pos = 0
	if size == cap(w.buf) {
		w.buf = w.buf[:copy(w.buf, left)]
	} else {
		w.buf = append(make([]byte, 0, size), left...)
	}
	had := len(w.buf)
	for empty := 0; len(w.buf) < cap(w.buf) && w.err == nil; {
		n, err := w.r.Read(w.buf[len(w.buf):cap(w.buf)])
		w.buf = w.buf[:len(w.buf)+n]
		w.err = err
		if n > 0 {
			empty = 0
		} else if empty++; empty == 100 && err == nil {
			w.err = io.ErrNoProgress
		}
	}
	return len(w.buf) > had
}
