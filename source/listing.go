package source

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of a list. A store may be huge, and one of a client's choice may lie.
const (
	mostSeen    = 2_000_000 // entries that are looked at, whether they match or not
	mostFiles   = 200_000   // of an import
	mostNames   = 64 << 20  // bytes of their names and tags
	largestFile = 1 << 46   // bytes, 64 TiB: more than any store keeps
	mostBytes   = 1 << 50   // of all files: sums of them stay far from overflowing

	listTime = 5 * time.Minute // for the list
	askTime  = time.Minute     // for any other answer
)

// listing gathers the files of a location.
type listing struct {
	files    []File
	looked   int
	names    int
	size     int64
	location string
	share    *share
}

// seen counts an entry that was looked at.
func (l *listing) seen() error {
	if l.looked++; l.looked > mostSeen {
		return l.tooMuch(fmt.Sprintf("%d entries beside each other", mostSeen))
	}
	return nil
}

// add takes a file that matches.
func (l *listing) add(f File) error {
	if f.Size < 0 || f.Size > largestFile {
		return cantRead(fmt.Sprintf("%s has %d bytes", short(f.Path), f.Size), checkLocation)
	}
	l.names += len(f.Path) + len(f.Tag)
	l.size += f.Size
	switch {
	case len(l.files) == mostFiles:
		return l.tooMuch(fmt.Sprintf("%d files", mostFiles))
	case l.names > mostNames:
		return l.tooMuch(fmt.Sprintf("%d MiB of file names", mostNames>>20))
	case l.size > mostBytes:
		return l.tooMuch(fmt.Sprintf("%d TiB", mostBytes>>40))
	}
	if held := int64(l.names + perFile*len(l.files)); held > freeList {
		if err := l.share.grow(held); err != nil {
			return &passing{cantRead(fmt.Sprintf("%s: %v", l.location, err), whileWalking)}
		}
	}
	l.files = append(l.files, f)
	return nil
}

func (l *listing) tooMuch(what string) error {
	return cantRead(fmt.Sprintf("%s has more than %s", l.location, what), "Please import them in several statements, from several folders")
}

// sorted is the files in the order of their names' bytes.
func (l *listing) sorted() []File {
	slices.SortFunc(l.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return l.files
}

// longestReason bounds a text that somebody else has written.
const longestReason = 500

func short(text string) string {
	if len(text) <= longestReason {
		return text
	}
	return strings.ToValidUTF8(text[:longestReason], "") + "…"
}
