package sqltext

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestS19SecretsOfTables(t *testing.T) {
	for text, want := range map[string]string{
		"CREATE TABLE f (a INT) ENGINE=FEDERATED CONNECTION='mysql://u:pw@h/d/t'": "CREATE TABLE f (a INT) ENGINE=FEDERATED CONNECTION='xxxxxx'",
		"create table f (a int) connection = \"it's\" comment='x'":                "create table f (a int) connection = 'xxxxxx' comment='x'",
		"ALTER TABLE f CONNECTION /* = */ 'a' PASSWORD='b', COMMENT 'c'":          "ALTER TABLE f CONNECTION /* = */ 'xxxxxx' PASSWORD='xxxxxx', COMMENT 'c'",
		"CREATE TABLE password (connection INT COMMENT 'c', password CHAR(3))":    "CREATE TABLE password (connection INT COMMENT 'c', password CHAR(3))",
	} {
		require.Equal(t, want, string(ddlOf(t, text).Public()))
	}
}
