package server

import "testing"

func TestFamilyOf(t *testing.T) {
	for version, want := range map[string]Family{
		"10.11.19-MariaDB-0+deb12u1-log": MariaDB,
		"11.8.6-MariaDB":                 MariaDB,
		"9.7.4-2":                        MySQL,
		"8.0.36-28":                      MySQL,
	} {
		if got := FamilyOfVersion(version); got != want {
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
}
