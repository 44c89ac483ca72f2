package sqlhandler

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/sqltext"
)

func alterTable(t *testing.T, text string) *sqltext.AlterTable {
	t.Helper()
	st, ok := sqltext.Classify([]byte(text), sqltext.Mode{}).(*sqltext.AlterTable)
	require.True(t, ok, text)
	return st
}

func TestWay(t *testing.T) {
	dist := settings{Reorg: dxf.Reorg{Dist: true, Ingest: true}}
	ingest := settings{Reorg: dxf.Reorg{Ingest: true}}
	for _, c := range []struct {
		text string
		set  settings
		want backfill.Way
	}{
		{"ALTER TABLE t ADD INDEX i (a)", dist, backfill.WayDistributed},
		{"ALTER TABLE t ADD INDEX i (a)", ingest, backfill.WayNative},
		{"ALTER TABLE t ADD INDEX i (a)", settings{}, backfill.WayTxn},
		{"ALTER TABLE t ADD INDEX i (a), ALGORITHM=INPLACE, LOCK=NONE", dist, backfill.WayDistributed},
		{"ALTER TABLE t ADD INDEX i (a), ALGORITHM=NOCOPY", settings{}, backfill.WayTxn},
		{"ALTER TABLE t ADD INDEX i (a), ALGORITHM=COPY", dist, backfill.WayNative},
		{"ALTER TABLE t ADD INDEX i (a), LOCK=EXCLUSIVE", dist, backfill.WayNative},
		{"ALTER TABLE t ADD INDEX i (a), LOCK=SHARED", settings{}, backfill.WayNative},
		{"ALTER IGNORE TABLE t ADD UNIQUE INDEX i (a)", dist, backfill.WayNative},
	} {
		require.Equal(t, c.want, way(c.set, alterTable(t, c.text)), c.text)
	}
}

// TestSubJobs names the changes of a statement as TiDB does.
func TestSubJobs(t *testing.T) {
	for text, want := range map[string]string{
		"ALTER TABLE t ADD INDEX i (a)":                                                         "add index:",
		"CREATE INDEX i ON t (a)":                                                               "add index:",
		"ALTER TABLE t ADD PRIMARY KEY (a)":                                                     "add primary key:",
		"ALTER TABLE t ADD INDEX i (a), LOCK=NONE":                                              "add index:",
		"ALTER TABLE t ADD INDEX i (a), ADD COLUMN c INT":                                       sqltext.MultiChange + ":add index*,add column",
		"ALTER TABLE t ADD COLUMN c INT, ADD INDEX i (a), DROP INDEX o":                         sqltext.MultiChange + ":add column,add index*,drop index",
		"ALTER TABLE t ADD INDEX i (a), ADD INDEX j (b)":                                        sqltext.MultiChange + ":add index*",
		"ALTER TABLE t ADD INDEX ta (a), ADD COLUMN c INT, ADD UNIQUE tb (b), ADD COLUMN d INT": sqltext.MultiChange + ":add column,add column,add index*",
		"ALTER TABLE t ADD PRIMARY KEY (a), ADD INDEX i (b)":                                    sqltext.MultiChange + ":add primary key*,add index*",
	} {
		st := alterTable(t, text)
		require.NotZero(t, actions[st.JobType], text)
		var subs []string
		for _, s := range subJobs(st) {
			name := s.Type
			if s.Reorg {
				name += "*"
			}
			subs = append(subs, name)
		}
		require.Equal(t, want, st.JobType+":"+strings.Join(subs, ","), text)
	}
}
