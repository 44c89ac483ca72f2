package changefeed

import (
	"context"
	"errors"
	"testing"
)

// TestErrorBehindChanges: an error that came right behind row changes ends the
// window of those changes, and is not forgotten.
func TestErrorBehindChanges(t *testing.T) {
	lost := errors.New("connection lost")
	fo := &follower{a: &applier{m: &Manager{cfg: Config{}.withDefaults()}}, reader: &reader{groups: make(chan group, 2)}}
	fo.reader.groups <- group{end: place("b.1", 10)}
	fo.reader.groups <- group{err: lost}
	g, err := fo.next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fo.collect(context.Background(), g); err != nil {
		t.Fatal(err)
	}
	if _, err := fo.next(context.Background()); !errors.Is(err, lost) {
		t.Errorf("got %v, want %v", err, lost)
	}
}
