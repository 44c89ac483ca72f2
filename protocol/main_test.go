package protocol

import (
	"testing"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

// TestStore is the MariaDB server of this package's tests.
var TestStore *mariadbd.Server

func TestMain(m *testing.M) {
	mariadbdtest.Main(m, &TestStore, "local_infile=1", "max_allowed_packet=64M", "max_connections=400")
}
