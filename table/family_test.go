package table

import "testing"

func TestFamilyOf(t *testing.T) {
	for version, want := range map[string]Family{
		"10.11.19-MariaDB-0+deb12u1-log": MariaDB,
		"11.8.6-MariaDB":                 MariaDB,
		"9.7.4-2":                        MySQL,
		"8.0.36-28":                      MySQL,
	} {
		if got := familyOf(version); got != want {
			t.Errorf("%s: %v, want %v", version, got, want)
		}
	}
}

func TestSettingsOfMySQL(t *testing.T) {
	for statement, want := range map[string]string{
		"SET SESSION idle_transaction_timeout = 10": "SET SESSION wait_timeout = 10",
		"SET SESSION idle_transaction_timeout = 0":  "SET SESSION idle_transaction_timeout = 0",
		"SET SESSION wait_timeout = 15":             "SET SESSION wait_timeout = 15",
	} {
		if got := MySQL.setting(statement); got != want {
			t.Errorf("%s: %s, want %s", statement, got, want)
		}
		if got := MariaDB.setting(statement); got != statement {
			t.Errorf("MariaDB, %s: %s", statement, got)
		}
	}
	ours := Settings{Family: MySQL, LogBin: true, Snapshots: true, Format: "ROW", RowImage: "FULL", SlaveGrant: true, StatusGrant: true, Threads: true}
	if r := ours.Reason(); r != "" {
		t.Error(r)
	}
	for _, bad := range []func(*Settings){
		func(s *Settings) { s.Snapshots = false },
		func(s *Settings) { s.Compressed = true },
		func(s *Settings) { s.Partial = true },
		func(s *Settings) { s.Threads = false },
	} {
		s := ours
		bad(&s)
		if s.Reason() == "" {
			t.Errorf("%+v is good enough", s)
		}
	}
}

func TestPartitionsOfMySQL(t *testing.T) {
	d, err := Parse("CREATE TABLE `p` (\n  `id` int NOT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB\n/*!50100 PARTITION BY HASH (`id`)\nPARTITIONS 2 */")
	if err != nil {
		t.Fatal(err)
	}
	if d.Options != "ENGINE=InnoDB" || d.Partitions != "PARTITION BY HASH (`id`)\nPARTITIONS 2" {
		t.Errorf("options %q, partitions %q", d.Options, d.Partitions)
	}
}
