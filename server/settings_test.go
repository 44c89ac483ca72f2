package server_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/mariadbd"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/server"
	"dxfproxy/table"
)

// TestSettingsWithoutBinlog: a server that tells no positions is found unfit
// before anything is asked that it does not know.
func TestSettingsWithoutBinlog(t *testing.T) {
	srv := mariadbdtest.StartT(t, "skip_log_bin")
	_, db := mariadbdtest.Schema(t, srv)
	s, err := server.OpenSession(t.Context(), db)
	require.NoError(t, err)
	defer s.Close()
	got, err := server.LoadSettings(t.Context(), s)
	require.NoError(t, err)
	require.False(t, got.LogBin)
	require.Equal(t, table.Reason("the server keeps no binlog (log_bin is OFF)"), table.Unfit(got))
	if srv.Kind() == mariadbd.MariaDB { // MySQL commits in order without a binlog too
		require.False(t, got.Snapshots)
		got.LogBin = true // as if it were a server of another family
		require.Contains(t, table.Unfit(got), "does not tell the binlog position of a snapshot")
	}
	_, err = server.SnapshotPosition(t.Context(), s)
	require.ErrorContains(t, err, "the server does not tell it")
}

// TestC2SilentReplica: what a server is told by another one may be missing in its
// binlog.
func TestC2SilentReplica(t *testing.T) {
	source := mariadbdtest.StartT(t)
	variable := "log_slave_updates"
	if source.Kind() == mariadbd.MySQL {
		variable = "log_replica_updates"
	}
	for updates, want := range map[string]table.Reason{
		"OFF": table.Reason("the server replicates another one, and its binlog has nothing of that (" + variable + " is OFF)"), "ON": "",
	} {
		_, db := mariadbdtest.Schema(t, mariadbdtest.ReplicaT(t, source, "log-slave-updates="+updates))
		got, err := server.LoadSettings(t.Context(), db)
		require.NoError(t, err)
		require.Equal(t, want, table.Unfit(got))
	}
	_, db := mariadbdtest.Schema(t, source)
	got, err := server.LoadSettings(t.Context(), db)
	require.NoError(t, err)
	require.Empty(t, table.Unfit(got))
}
