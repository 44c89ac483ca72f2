package mariadbd

import (
	"fmt"
	"os"
)

// mysqlSettings are those that MySQL has under other names than MariaDB, or
// has alone.
func (c Config) mysqlSettings() []string {
	return []string{
		"--binlog-expire-logs-seconds=604800",
		fmt.Sprintf("--innodb-redo-log-capacity=%d", c.RedoLog),
		// A second listener, on a fixed port.
		"--mysqlx=OFF",
		// Its default is a directory of the system that need not be there.
		"--secure-file-priv=",
	}
}

// mysqlRoot is the account that a client on the loopback address comes in by:
// with skip_name_resolve it is not root@localhost.
const mysqlRoot = `CREATE USER root@'127.0.0.1';
GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
`

// mysqlInstaller are the arguments by which mysqld makes a data directory. init
// is where it is to find the statements above; they are written there.
func (c Config) mysqlInstaller(init string) ([]string, error) {
	if err := os.WriteFile(init, []byte(mysqlRoot), 0o644); err != nil {
		return nil, err
	}
	return append(c.mysqlSettings(), "--initialize-insecure", "--init-file="+init), nil
}
