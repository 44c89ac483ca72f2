package store_test

import (
	"testing"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
)

var srv *mariadbd.Server

func TestMain(m *testing.M) { mariadbdtest.Main(m, &srv) }
