package memstore_test

import (
	"testing"

	"dxfproxy/store/memstore"
	"dxfproxy/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Tasks(t, func(*testing.T) storetest.Bench { return memstore.New(storetest.Types...) })
}
