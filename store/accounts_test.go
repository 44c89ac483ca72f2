package store_test

import (
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"dxfproxy/backfill"
	"dxfproxy/dxf"
	"dxfproxy/grants"
	"dxfproxy/mariadbd/mariadbdtest"
	"dxfproxy/store"
)

// accounts is what a node is told of its store, and what it says of it.
func accounts(t *testing.T, schema string) (store.Config, *observer.ObservedLogs) {
	t.Helper()
	dsn := mariadbdtest.StoreDSN(t, srv, schema)
	mc, err := mysql.ParseDSN(dsn)
	require.NoError(t, err)
	core, said := observer.New(zap.InfoLevel)
	return store.Config{
		DSN: dsn, Schema: schema, Types: types, Log: zap.New(core),
		Meta:  grants.Account{User: mc.User + "_meta", Password: mc.Passwd},
		Trial: grants.Account{User: mc.User + "_trial", Password: mc.Passwd},
	}, said
}

// Each of the three accounts can do its part, and the trial account nothing else.
func TestS3TrialsHaveAnAccountOfTheirOwn(t *testing.T) {
	ctx := t.Context()
	users, root := mariadbdtest.Schema(t, srv)
	_, err := root.ExecContext(ctx, "CREATE TABLE t (id INT PRIMARY KEY, a INT)")
	require.NoError(t, err)
	schema := fmt.Sprintf("dxf_%d", schemas.Add(1))
	cfg, said := accounts(t, schema)
	db, err := store.Open(ctx, cfg)
	require.NoError(t, err)
	defer db.Close()
	require.Empty(t, said.All())
	require.Equal(t, schema+"_scratch", db.ScratchSchema())
	require.NotNil(t, db.Trial())

	_, err = db.Submit(ctx, dxf.Job{}, dxf.NewTask{Type: backfill.Name, Meta: &backfill.Meta{}})
	require.NoError(t, err)
	_, err = db.SQL().ExecContext(ctx, fmt.Sprintf("CREATE TABLE %s.x LIKE %s.t", db.ScratchSchema(), users))
	require.NoError(t, err)
	for _, change := range []string{
		"ALTER TABLE x ADD INDEX i (a)", "CREATE INDEX j ON x (a, id)", "ALTER TABLE x MODIFY a BIGINT, ADD COLUMN b INT, DROP INDEX i",
		"ALTER TABLE x COMMENT 'c', CONVERT TO CHARACTER SET latin1",
		"ALTER TABLE x PARTITION BY HASH (id) PARTITIONS 2",
	} {
		_, err := db.Trial().ExecContext(ctx, change)
		require.NoError(t, err, change)
	}
	for _, beyond := range []string{
		"ALTER TABLE x RENAME TO y", "RENAME TABLE x TO y", "CREATE TABLE y (a INT)", "CREATE TABLE y LIKE x", "DROP TABLE x",
		"INSERT INTO x (id) VALUES (1)", "DELETE FROM x", "TRUNCATE x", "SELECT * FROM " + users + ".t",
		"ALTER TABLE x ADD FOREIGN KEY (a) REFERENCES " + users + ".t (id)", "ALTER TABLE x RENAME TO " + users + ".y",
		"SELECT * FROM " + schema + ".counter", "SELECT COUNT(*) FROM information_schema.INNODB_TRX", "CREATE DATABASE " + schema + "_more",
		"CREATE TRIGGER g BEFORE INSERT ON x FOR EACH ROW SET @a = 1", "CREATE VIEW v AS SELECT 1", "SELECT 1 INTO OUTFILE '/tmp/dxf'",
		"KILL 1", "CREATE USER nobody",
	} {
		_, err := db.Trial().ExecContext(ctx, beyond)
		require.Error(t, err, beyond)
		t.Log(beyond, "->", err)
	}
	_, err = db.SQL().ExecContext(ctx, fmt.Sprintf("DROP TABLE %s.x", db.ScratchSchema()))
	require.NoError(t, err)
}

// Nodes whose DBA made one account go on as before; they say what they do without.
func TestAccountsThatCannotBeUsed(t *testing.T) {
	ctx := t.Context()
	_, root := mariadbdtest.Schema(t, srv)
	exec := func(query string) {
		t.Helper()
		_, err := root.ExecContext(ctx, query)
		require.NoError(t, err)
	}
	schema := fmt.Sprintf("dxf_%d", schemas.Add(1))
	cfg, said := accounts(t, schema)
	cfg.DSN = srv.DSN() // may make the tables itself
	for name, spoil := range map[string]func(c *store.Config) (undo string){
		"no such account": func(c *store.Config) string { c.Meta.User, c.Trial.User = "nobody_meta", "nobody_trial"; return "" },
		"password":        func(c *store.Config) string { c.Meta.Password, c.Trial.Password = "wrong", "wrong"; return "" },
		"lacks": func(*store.Config) string {
			exec("REVOKE ALTER ON " + grants.Scope(schema+"_scratch", false) + " FROM " + schema + "_trial@'127.0.0.1'")
			exec("REVOKE CREATE VIEW ON " + grants.Scope(schema, false) + " FROM " + schema + "_meta@'127.0.0.1'")
			return ""
		},
		"more": func(c *store.Config) string {
			c.Meta.User = "nobody_meta"
			exec("GRANT ALTER ON " + grants.Scope(schema+"_scratch", false) + " TO " + schema + "_trial@'127.0.0.1'")
			exec("GRANT SELECT ON test_1.* TO " + schema + "_trial@'127.0.0.1'")
			return "REVOKE SELECT ON test_1.* FROM " + schema + "_trial@'127.0.0.1'"
		},
	} {
		t.Run(name, func(t *testing.T) {
			mariadbdtest.StoreDSN(t, srv, schema)
			c := cfg
			undo := spoil(&c)
			db, err := store.Open(ctx, c)
			if undo != "" {
				exec(undo)
			}
			require.NoError(t, err)
			defer db.Close()
			require.Nil(t, db.Trial())
			lines := said.TakeAll()
			require.Len(t, lines, 2)
			require.Equal(t, zap.InfoLevel, lines[0].Level)
			require.Equal(t, zap.WarnLevel, lines[1].Level)
			t.Log(lines[0].ContextMap(), lines[1].ContextMap())
			_, err = db.Submit(ctx, dxf.Job{}, dxf.NewTask{Type: backfill.Name, Meta: &backfill.Meta{}})
			require.NoError(t, err)
		})
	}
}
