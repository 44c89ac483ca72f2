package memstore_test

import (
	"context"
	"database/sql"
	"testing"

	"dxfproxy/store/memstore"
	"dxfproxy/store/storetest"
)

type bench struct{ *memstore.Store }

func (b bench) InTx(_ context.Context, do func(tx *sql.Tx) error) error { return do(nil) }

func TestStore(t *testing.T) {
	storetest.Exercise(t, func(*testing.T) storetest.Bench { return bench{memstore.New()} })
}
