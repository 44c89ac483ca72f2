package source

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
)

// StoreDir asks a store which files it lets its users read: secure_file_priv
// limits LOAD DATA to a folder, and with MySQL NULL forbids it. Who may read no
// file through the store itself may not through a node. MariaDB shows NULL where
// there is no limit.
func StoreDir(db *sql.DB) func(context.Context) (dir string, limited bool, err error) {
	const selectDir = `SELECT @@GLOBAL.secure_file_priv, VERSION()`
	return func(ctx context.Context) (string, bool, error) {
		var dir sql.NullString
		var version string
		if err := db.QueryRowContext(ctx, selectDir).Scan(&dir, &version); err != nil {
			return "", false, fmt.Errorf("ask the store for secure_file_priv: %w", err)
		}
		switch {
		case dir.String != "":
			return filepath.Clean(dir.String), true, nil
		case !dir.Valid && !strings.Contains(version, "MariaDB"):
			return "", true, nil
		}
		return "", false, nil
	}
}
