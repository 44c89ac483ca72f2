package mariadbd

import "testing"

// OnlyPath leaves PATH as the one place where servers are looked for.
func OnlyPath(t *testing.T, path string) {
	t.Setenv("PATH", path)
	dirs := searchDirs
	searchDirs = nil
	t.Cleanup(func() { searchDirs = dirs })
}

// ServersOn finds the servers that run on a data directory.
func ServersOn(dir string) []int { return serversOn(dir) }
