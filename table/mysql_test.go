package table

import (
	"testing"

	"dxfproxy/server"
)

func TestUnfitMySQL(t *testing.T) {
	ours := server.Settings{Family: server.MySQL, LogBin: true, Snapshots: true, Format: "ROW", RowImage: "FULL", SlaveGrant: true, StatusGrant: true, Threads: true}
	if r := Unfit(ours); r != "" {
		t.Error(r)
	}
	for _, bad := range []func(*server.Settings){
		func(s *server.Settings) { s.Snapshots = false },
		func(s *server.Settings) { s.Compressed = true },
		func(s *server.Settings) { s.Partial = true },
		func(s *server.Settings) { s.Threads = false },
	} {
		s := ours
		bad(&s)
		if Unfit(s) == "" {
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
