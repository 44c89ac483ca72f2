package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"dxfproxy/dxf"
)

// disk is a directory of the node's disk, opened in one of the operator's
// folders: nothing that is done through it leaves that folder, by a link or by
// "..". It may be used by several goroutines.
type disk struct {
	root *os.Root
	dir  string // as the location names it, absolute
	sub  string // the same, from the root
}

// optionPrevents is 1290, in MySQL's words.
func optionPrevents(server, option string) *dxf.Error {
	return &dxf.Error{
		Code: 1290, State: "HY000", Class: "executor",
		Message: fmt.Sprintf("The %s is running with the %s option so it cannot execute this statement", server, option),
	}
}

// Refusals of a path.
var (
	errNoFolders = &dxf.Error{Code: 1290, State: "HY000", Class: "executor",
		Message: "The dxfproxy node is running without the --import-dir option so it cannot execute this statement"}
	errNotInDirs  = optionPrevents("dxfproxy node", "--import-dir")
	errNotInStore = optionPrevents("store", "--secure-file-priv")
)

// openDisk opens a directory. It must be in one of the folders of the policy and
// in that of the store (1290), and be there (8158).
func (p *Policy) openDisk(ctx context.Context, dir string) (*disk, error) {
	if len(p.dirs) == 0 {
		return nil, errNoFolders
	}
	var limit string
	var limited bool
	if p.storeDir != nil {
		var err error
		if limit, limited, err = p.storeDir(ctx); err != nil {
			return nil, err
		}
		if limited && limit == "" {
			return nil, errNotInStore
		}
	}
	for _, folder := range p.dirs {
		sub, ok := beneath(folder, dir)
		if !ok {
			continue
		}
		real, err := filepath.EvalSymlinks(folder) // the operator may name one
		if err != nil {
			return nil, invalidURI("%v", err)
		}
		if limited {
			if real, sub, ok = narrow(real, sub, limit); !ok {
				return nil, errNotInStore
			}
		}
		root, err := os.OpenRoot(real)
		if err != nil {
			return nil, invalidURI("%v", err)
		}
		d := &disk{root: root, dir: dir, sub: sub}
		if _, err := root.Stat(sub); err != nil {
			_ = root.Close()
			return nil, invalidURI("%v", d.wrong("stat", dir, err))
		}
		return d, nil
	}
	return nil, errNotInDirs
}

// beneath is the rest of a clean path behind a folder, "." for the folder itself.
func beneath(folder, path string) (rest string, ok bool) {
	if path == folder {
		return ".", true
	}
	return strings.CutPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// narrow is the folder and the path in it, if the path must be in another folder
// too. Of the two one is in the other, or they have nothing in common.
func narrow(folder, sub, limit string) (root, rest string, ok bool) {
	if real, err := filepath.EvalSymlinks(limit); err == nil {
		limit = real
	}
	if _, inside := beneath(limit, folder); inside {
		return folder, sub, true
	}
	rest, ok = beneath(limit, filepath.Join(folder, sub))
	return limit, rest, ok
}

// path is where a file of the directory is, from the root.
func (d *disk) path(file string) string { return filepath.Join(d.sub, file) }

// name is a file's name for people.
func (d *disk) name(file string) string { return filepath.Join(d.dir, file) }

// wrong is an error of the system about a path as the client knows it.
func (d *disk) wrong(op, name string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%s %s: %w", op, name, err)
}
