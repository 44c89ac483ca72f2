package protocol

import (
	"testing"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

// testStore is the MariaDB server of this package's tests.
var testStore *mariadbd.Server

func TestMain(m *testing.M) {
	mariadbdtest.Main(m, &testStore, "local_infile=1", "max_allowed_packet=64M", "max_connections=400")
}
