package table

import "dxfproxy/server"

// Unfit says why no table of the server can be copied online; "" when one may.
func Unfit(s server.Settings) Reason {
	if r := checkBinlog(nil, Definition{}, Conditions{Settings: s}); r != "" {
		return r
	}
	return checkGrants(nil, Definition{}, Conditions{Settings: s})
}

// checkBinlog: the changefeed needs whole rows.
func checkBinlog(_ *Info, _ Definition, s Conditions) Reason {
	switch {
	case !s.LogBin:
		return "the server keeps no binlog (log_bin is OFF)"
	case !s.Snapshots && s.Family == server.MySQL:
		return "transactions become visible in another order than the binlog's (binlog_order_commits is OFF)"
	case !s.Snapshots:
		return "the server does not tell the binlog position of a snapshot (status variable binlog_snapshot_position)"
	case s.Silent:
		if s.Family == server.MySQL {
			return "the server replicates another one, and its binlog has nothing of that (log_replica_updates is OFF)"
		}
		return "the server replicates another one, and its binlog has nothing of that (log_slave_updates is OFF)"
	case s.Format != "ROW":
		return reasonf("binlog_format is %s, not ROW", s.Format)
	case s.RowImage != "FULL":
		return reasonf("binlog_row_image is %s, not FULL", s.RowImage)
	case !s.Threads && s.Family == server.MySQL:
		return "the server does not tell what its sessions wait for (performance_schema is OFF)"
	case s.Compressed:
		return "the binlog's transactions are compressed (binlog_transaction_compression is ON)"
	case s.Partial:
		return "changes of JSON values are written to the binlog in part (binlog_row_value_options is not empty)"
	}
	return ""
}

// checkGrants: and the right to read it.
func checkGrants(_ *Info, _ Definition, s Conditions) Reason {
	switch {
	case !s.SlaveGrant:
		return "the store's account has no REPLICATION SLAVE"
	case !s.StatusGrant:
		return "the store's account has no BINLOG MONITOR"
	}
	return ""
}
