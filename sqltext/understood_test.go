package sqltext

import (
	"testing"

	"github.com/stretchr/testify/require"
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
		st := long(Classify([]byte(text), Mode{}))
		if st == nil {
			require.False(t, want, "%s does not even take long", text)
			continue
		}
		require.Equal(t, want, st.Understood(), text)
	}
}
