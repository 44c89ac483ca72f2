package server_test

import (
	"testing"

	"dxfproxy/server"
)

func TestDuplicate(t *testing.T) {
	for message, want := range map[string][2]string{
		"Duplicate entry '1-2' for key 'u'":              {"1-2", "u"},
		"Duplicate entry 'it's for key 'x'' for key 'u'": {"it's for key 'x'", "u"},
		"Duplicate entry 'a\nb' for key 'u'v'":           {"a\nb", "u'v"},
		"Duplicate entry '1' for key 't.PRIMARY'":        {"1", "PRIMARY"},
		"something else": {"", ""},
	} {
		v, k, ok := server.Duplicate(message)
		if v != want[0] || k != want[1] || ok != (k != "") {
			t.Errorf("%s: %q %q %v", message, v, k, ok)
		}
	}
}
