package dxftest

import "testing"

// TestD7KeyOrder: the finished table has its keys in the order that the store's own DDL
// gives them, and its rows in the order of the same key.
func TestD7KeyOrder(t *testing.T) {
	h := newHouse(t, 1)
	s := h.session(0, "")
	h.run(s, "SET GLOBAL dxf_native_ddl_max_size = 0")
	for name, c := range map[string]struct{ keys, alter string }{
		"clustered":      {"UNIQUE KEY big (b, id), UNIQUE KEY small (id)", "ADD INDEX i (v)"},
		"not usable":     {"UNIQUE KEY odd (b DESC, id), UNIQUE KEY small (id)", "ADD INDEX i (v)"},
		"renamed":        {"PRIMARY KEY (id), UNIQUE KEY x (v), KEY k (b)", "DROP KEY x, ADD UNIQUE KEY y (b, v), ADD UNIQUE KEY z (v), ADD INDEX i (v)"},
		"kept name":      {"PRIMARY KEY (id), KEY x (v), KEY k (b)", "DROP KEY x, ADD KEY x (v, b), ADD INDEX i (b)"},
		"auto increment": {"KEY k (b), KEY n (id), KEY l (v)", "MODIFY id INT NOT NULL AUTO_INCREMENT, ADD INDEX i (v)"},
		"same columns":   {"PRIMARY KEY (id), KEY x (v)", "ADD INDEX y (v)"},
		"other class":    {"PRIMARY KEY (id), KEY x (v)", "ADD UNIQUE INDEX y (b), ADD FULLTEXT (f), ADD INDEX z (b)"},
	} {
		t.Run(name, func(t *testing.T) {
			h.in(t).same("", []string{
				"CREATE TABLE m (id INT NOT NULL, b INT NOT NULL, v INT, f VARCHAR(20), " + c.keys + ")",
				"INSERT INTO m (id, b, v) VALUES (1, 30, 1), (2, 20, 2), (3, 10, 3)",
			}, "ALTER TABLE m "+c.alter, "SELECT * FROM m")
		})
	}
}
