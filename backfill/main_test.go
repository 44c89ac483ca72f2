package backfill_test

import (
	"testing"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

var srv *mariadbd.Server

func TestMain(m *testing.M) {
	mariadbdtest.Main(m, &srv, "innodb-buffer-pool-size=512M", "loose-innodb-log-file-size=256M", "max-connections=300", "local-infile=1")
}
