package memstore_test

import (
	"context"
	"database/sql"
	"testing"

	"dxfproxy/dxf"
	"dxfproxy/store/memstore"
	"dxfproxy/store/storetest"
)

type bench struct{ *memstore.Store }

func (b bench) InTx(_ context.Context, do func(tx *sql.Tx) error) error { return do(nil) }

// CommitSQL is for appliers, who have a server: the suite does not ask for it.
func (b bench) CommitSQL(dxf.Feed, dxf.FeedCommit) ([]string, string) { panic("memory takes no SQL") }

func TestStore(t *testing.T) {
	storetest.Exercise(t, func(*testing.T) storetest.Bench { return bench{memstore.New()} })
}
