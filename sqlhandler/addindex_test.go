package sqlhandler

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dxfproxy/dxf"
)

// TestUnderstood holds which statements become jobs: those for which the right
// to alter the table is all that the store would ask for.
func TestUnderstood(t *testing.T) {
	for text, want := range map[string]bool{
		"ALTER TABLE t ADD INDEX i (a)":                                                     true,
		"CREATE UNIQUE INDEX i ON t (a)":                                                    true,
		"ALTER TABLE t ADD INDEX i (a), ADD COLUMN c INT DEFAULT 3, DROP COLUMN d":          true,
		"ALTER TABLE t ADD INDEX i (a), LOCK=NONE, ALGORITHM=INPLACE":                       true,
		"ALTER TABLE t ADD PRIMARY KEY (a), COMMENT 'references nothing'":                   true,
		"ALTER TABLE t ADD INDEX nextval (next)":                                            true,
		"ALTER TABLE t ADD COLUMN c INT COMMENT 'REFERENCES p (id)', ADD INDEX i (c)":       true,
		"ALTER TABLE t WAIT 5 ADD INDEX i (a)":                                              false,
		"ALTER TABLE t NOWAIT ADD INDEX i (a)":                                              false,
		"CREATE INDEX i ON t (a) NOWAIT":                                                    false,
		"ALTER TABLE t ADD INDEX i (a), RENAME TO u":                                        false,
		"ALTER TABLE t ADD INDEX i (a), ADD FOREIGN KEY (a) REFERENCES p (id)":              false,
		"ALTER TABLE t ADD COLUMN c INT REFERENCES p (id), ADD INDEX i (c)":                 false,
		"ALTER TABLE t ADD COLUMN c INT DEFAULT NEXTVAL(s), ADD INDEX i (c)":                false,
		"ALTER TABLE t ADD COLUMN c INT DEFAULT (NEXT VALUE FOR s), ADD INDEX i (c)":        false,
		"ALTER TABLE t ADD INDEX i (a), ENGINE=MERGE UNION=(x, y)":                          false,
		"ALTER TABLE t ADD INDEX i (a) PARTITION BY HASH (a) PARTITIONS 4":                  false,
		"ALTER TABLE t ADD INDEX i (a), MODIFY b INT REFERENCES p (id)":                     false,
		"ALTER TABLE t ADD INDEX i (a), MODIFY b INT DEFAULT 1 COMMENT 'x', CHANGE c d INT": true,
	} {
		st := Classify([]byte(text), Mode{})
		if st.Kind != AddIndex {
			require.False(t, want, "%s is not even an AddIndex", text)
			continue
		}
		require.Equal(t, want, understood([]byte(text), st, Mode{}), text)
	}
}

func TestWay(t *testing.T) {
	dist := settings{Reorg: dxf.Reorg{Dist: true, Ingest: true}}
	ingest := settings{Reorg: dxf.Reorg{Ingest: true}}
	for _, c := range []struct {
		text string
		set  settings
		want dxf.Way
	}{
		{"ALTER TABLE t ADD INDEX i (a)", dist, dxf.WayDistributed},
		{"ALTER TABLE t ADD INDEX i (a)", ingest, dxf.WayNative},
		{"ALTER TABLE t ADD INDEX i (a)", settings{}, dxf.WayTxn},
		{"ALTER TABLE t ADD INDEX i (a), ALGORITHM=INPLACE, LOCK=NONE", dist, dxf.WayDistributed},
		{"ALTER TABLE t ADD INDEX i (a), ALGORITHM=NOCOPY", settings{}, dxf.WayTxn},
		{"ALTER TABLE t ADD INDEX i (a), ALGORITHM=COPY", dist, dxf.WayNative},
		{"ALTER TABLE t ADD INDEX i (a), LOCK=EXCLUSIVE", dist, dxf.WayNative},
		{"ALTER TABLE t ADD INDEX i (a), LOCK=SHARED", settings{}, dxf.WayNative},
		{"ALTER IGNORE TABLE t ADD UNIQUE INDEX i (a)", dist, dxf.WayNative},
	} {
		require.Equal(t, c.want, way(c.set, Classify([]byte(c.text), Mode{})), c.text)
	}
}

// TestSubJobs names the changes of a statement as TiDB does.
func TestSubJobs(t *testing.T) {
	for text, want := range map[string]string{
		"ALTER TABLE t ADD INDEX i (a)":                                                         "add index:",
		"CREATE INDEX i ON t (a)":                                                               "add index:",
		"ALTER TABLE t ADD PRIMARY KEY (a)":                                                     "add primary key:",
		"ALTER TABLE t ADD INDEX i (a), LOCK=NONE":                                              "add index:",
		"ALTER TABLE t ADD INDEX i (a), ADD COLUMN c INT":                                       MultiChange + ":add index*,add column",
		"ALTER TABLE t ADD COLUMN c INT, ADD INDEX i (a), DROP INDEX o":                         MultiChange + ":add column,add index*,drop index",
		"ALTER TABLE t ADD INDEX i (a), ADD INDEX j (b)":                                        MultiChange + ":add index*",
		"ALTER TABLE t ADD INDEX ta (a), ADD COLUMN c INT, ADD UNIQUE tb (b), ADD COLUMN d INT": MultiChange + ":add column,add column,add index*",
		"ALTER TABLE t ADD PRIMARY KEY (a), ADD INDEX i (b)":                                    MultiChange + ":add primary key*,add index*",
	} {
		j := dxf.Job{Type: "add index", Action: actionAddIndex}
		addSubJobs(&j, Classify([]byte(text), Mode{}))
		var subs []string
		for _, s := range j.SubJobs {
			name := s.Type
			if s.Reorg {
				name += "*"
			}
			subs = append(subs, name)
		}
		require.Equal(t, want, j.Type+":"+strings.Join(subs, ","), text)
	}
}
