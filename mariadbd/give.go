package mariadbd

import (
	"fmt"
	"os"
	"path/filepath"
)

// Give makes the directory of a server that is to be started under another account of
// the system, and gives the account all that is in it. One that is not ours is refused.
func Give(dir string, uid, gid int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return dirError(err)
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return dirError(err)
	}
	if err := checkOurs(dir); err != nil {
		return fmt.Errorf("start the embedded store in %s: %w", dir, err)
	}
	return account{uid: uid, gid: gid, switched: true}.own(dir)
}
