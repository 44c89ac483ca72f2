package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
	"go.uber.org/zap"

	"dxfproxy/grants"
	"dxfproxy/server"
)

// trialConns: trials are short, and few at a time.
const trialConns = 4

// as is the same store under another account.
func as(mc *mysql.Config, a grants.Account) *mysql.Config {
	mc = mc.Clone()
	mc.User, mc.Passwd = a.User, a.Password
	return mc
}

// layout is the store's, for grants.
func layout(version, schema string) grants.Layout {
	l := grants.Layout{Family: grants.MySQL, Meta: schema}
	if strings.Contains(version, "MariaDB") {
		l.Family = grants.MariaDB
	}
	return l
}

// askVersion opens a first session and asks what server it is.
func askVersion(ctx context.Context, mc *mysql.Config) (version string, err error) {
	p, err := pool(mc, 1, nil)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.QueryRowContext(ctx, `SELECT VERSION()`).Scan(&version); err != nil {
		return "", err
	}
	if strings.Contains(version, "-TiDB-") {
		return "", fmt.Errorf("%w (%s)", ErrTiDB, version)
	}
	return version, nil
}

// fits logs in as an account and looks whether it is what its role asks for;
// refused is why it is not.
func fits(ctx context.Context, mc *mysql.Config, l grants.Layout, r grants.Role) (refused, err error) {
	p, err := pool(mc, 1, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	return l.Fits(ctx, p, mc.User, r)
}

// metaAccount is the account of the framework's tables: that of its own where it
// can be used, else the one of the jobs' work.
func metaAccount(ctx context.Context, mc *mysql.Config, cfg Config, l grants.Layout) (*mysql.Config, error) {
	if cfg.Meta.User == "" {
		return mc, nil
	}
	own := as(mc, cfg.Meta)
	refused, err := fits(ctx, own, l, grants.Meta)
	if err != nil {
		return nil, err
	}
	if refused != nil {
		cfg.Log.Info("the framework's tables are kept under the account of the jobs' work", zap.String("refused", own.User),
			zap.NamedError("reason", refused))
		return mc, nil
	}
	return own, nil
}

// openTrial makes the scratch schema and the pool of trials, or says why there are none.
func openTrial(ctx context.Context, mc *mysql.Config, cfg Config, l grants.Layout) (*sql.DB, error) {
	if cfg.Trial.User == "" {
		return nil, nil
	}
	refused, err := makeScratch(ctx, mc, grants.Scratch(cfg.Schema))
	own := as(mc, cfg.Trial)
	if err == nil && refused == nil {
		refused, err = fits(ctx, own, l, grants.Trial)
	}
	if err != nil {
		return nil, err
	}
	if refused != nil {
		cfg.Log.Warn("no distributed jobs from statements: users' statements cannot be tried under an account that may do nothing else; "+
			"run dxfproxy check --grants",
			zap.String("account", own.User), zap.NamedError("reason", refused))
		return nil, nil
	}
	own.DBName = grants.Scratch(cfg.Schema)
	trial, err := pool(own, trialConns, cfg.Log)
	if err != nil {
		return nil, err
	}
	trial.SetMaxIdleConns(-1) // what a statement did to its session dies with it
	return trial, nil
}

// makeScratch makes the scratch schema unless it is there; refused is why the
// account may not.
func makeScratch(ctx context.Context, mc *mysql.Config, schema string) (refused, err error) {
	const thereSQL = `SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?`
	p, err := pool(mc, 1, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	var there int
	if err := p.QueryRowContext(ctx, thereSQL, schema).Scan(&there); err != nil || there > 0 {
		return nil, err
	}
	_, err = p.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS `"+schema+"`")
	if server.Number(err) != 0 {
		return fmt.Errorf("create schema %s: %w", schema, err), nil
	}
	return nil, err
}

// mayCheckpoint makes sure that the account of the jobs' work may write in the
// meta schema: a checkpoint goes into the transaction of the data.
func mayCheckpoint(ctx context.Context, mc *mysql.Config, schema string) (err error) {
	p, err := pool(mc, 1, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for _, t := range []string{"tidb_background_subtask", "changefeed_marker"} {
		if _, err := p.ExecContext(ctx, "DELETE FROM `"+schema+"`."+t+" WHERE 1 = 0"); err != nil {
			return fmt.Errorf("write in schema %s as %s: %w", schema, mc.User, err)
		}
	}
	return nil
}
