package changefeed

import (
	"time"

	"dxfproxy/dxf"
)

// A window is a run of whole source transactions, reduced to what it does to each
// key.
type window struct {
	began time.Time // when its first group came
	keys  map[string]*fate
	order []*fate // in order of first appearance, so that runs can be repeated alike

	groups  []group // without their changes; to be released
	size    int64
	changes int64
	markers []marker

	end, safe position
	last      position // end of the last group that changed something
	full      bool     // ended by its size
	undecided bool     // an XA transaction in front of end is undecided
}

// A fate is what a window does to one key.
type fate struct {
	key     string
	existed bool   // the row was there when the window began
	image   string // the row at the end; "" when there is none
}

func newWindow() *window { return &window{keys: map[string]*fate{}} }

// add takes the changes of a group. The end of a partial group is not one.
func (w *window) add(g group) {
	if w.began.IsZero() {
		w.began = time.Now()
	}
	for _, c := range g.changes {
		if c.before != "" {
			w.fate(c.before, true).image = ""
		}
		if c.after != "" {
			w.fate(c.after, false).image = c.image
		}
	}
	if len(g.changes) > 0 && !g.partial {
		w.last = g.end
	}
	w.changes += int64(len(g.changes))
	w.size += g.size
	w.markers = append(w.markers, g.markers...)
	g.changes = nil
	w.groups = append(w.groups, g)
	if !g.partial {
		w.end, w.safe, w.undecided = g.end, g.safe, g.undecided
	}
}

// fate finds a key's fate; existed counts when this is the first one hears of it.
func (w *window) fate(key string, existed bool) *fate {
	f := w.keys[key]
	if f == nil {
		f = &fate{key: key, existed: existed}
		w.keys[key] = f
		w.order = append(w.order, f)
	}
	return f
}

// An effect is what a window does to the shadow: first it removes rows, and
// afterwards it writes others.
type effect struct {
	gone    []*fate
	counted bool // all of gone are there
	images  []*fate
}

// effect in strict mode removes every row that existed. When the feed has an open
// window, any part of which may be in the shadow already, it removes whatever there
// is instead.
func (w *window) effect(f dxf.Feed) effect {
	strict, open := f.Mode == dxf.FeedStrict, f.WindowFile != ""
	e := effect{counted: strict && !open}
	for _, k := range w.order {
		switch {
		case !strict && k.image != "":
		case strict && !k.existed && !open:
		default:
			e.gone = append(e.gone, k)
		}
		if k.image != "" {
			e.images = append(e.images, k)
		}
	}
	return e
}

// stops says whether a marker of the window asks to stop, and in which mode.
func (w *window) stops() (dxf.FeedMode, bool) {
	for _, m := range w.markers {
		switch m.kind {
		case dxf.MarkPause:
			return dxf.FeedPaused, true
		case dxf.MarkSeal:
			return dxf.FeedSealed, true
		}
	}
	return "", false
}

// markerIDs is what the store acknowledges.
func (w *window) markerIDs() []int64 {
	var ids []int64
	for _, m := range w.markers {
		ids = append(ids, m.id)
	}
	return ids
}
