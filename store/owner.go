package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"

	"dxfproxy/dxf"
)

// Campaign takes the owner lease when it is free, has run out, has not been renewed while
// this node was looking (see sights), or is that of a life of this very node that is over. It waits for nobody: of many candidates
// one update finds the row free, the others do not.
func (db *DB) Campaign(ctx context.Context, n dxf.Node) (dxf.Term, error) {
	const holderSQL = `SELECT uuid, COALESCE(CAST(expires AS CHAR), '') AS expires, term FROM owner WHERE id = 1`
	const takeSQL = `
		UPDATE owner SET host = ?, uuid = ?, term = term + 1, expires = NOW(6) + INTERVAL ? SECOND
		WHERE id = 1 AND (expires IS NULL OR expires <= NOW(6)
			OR (host = ? AND uuid <> ? AND uuid = ? AND IS_FREE_LOCK(?))
			OR (? AND term = ? AND CAST(expires AS CHAR) = ?))`
	const termSQL = `SELECT term FROM owner WHERE id = 1`
	t := dxf.Term{OwnerID: n.ID, UUID: n.UUID}
	err := db.tx(ctx, func(tx *sqlx.Tx) error {
		var holder struct {
			UUID    string `db:"uuid"`
			Expires string `db:"expires"`
			Term    int64  `db:"term"`
		}
		if err := tx.GetContext(ctx, &holder, holderSQL); err != nil {
			return err
		}
		over := db.sights.over("owner", fmt.Sprint(holder), dxf.OwnerLease)
		err := must(
			ctx, tx, dxf.ErrNotOwner, takeSQL, n.ID, n.UUID, seconds(dxf.OwnerLease),
			n.ID, n.UUID, holder.UUID, db.lifeLock(holder.UUID), over, holder.Term, holder.Expires,
		)
		if err != nil {
			return err
		}
		if err := db.life.prove(ctx, db.lifeLock(n.UUID)); err != nil { // before anybody can see the row
			return err
		}
		return tx.GetContext(ctx, &t.Number, termSQL)
	})
	if err != nil {
		return dxf.Term{}, err
	}
	return t, nil
}

// Renew lengthens the term. A term that has run out while nobody else was
// elected still is one.
func (db *DB) Renew(ctx context.Context, t dxf.Term) error {
	const renewSQL = `
		UPDATE owner SET expires = NOW(6) + INTERVAL ? SECOND
		WHERE id = 1 AND host = ? AND uuid = ? AND term = ? AND expires IS NOT NULL`
	return must(ctx, db.meta, dxf.ErrNotOwner, renewSQL, seconds(dxf.OwnerLease), t.OwnerID, t.UUID, t.Number)
}

// Resign ends the term: the next candidate is elected at once.
func (db *DB) Resign(ctx context.Context, t dxf.Term) error {
	const resignSQL = `
		UPDATE owner SET expires = NULL, host = '', uuid = ''
		WHERE id = 1 AND host = ? AND uuid = ? AND term = ?`
	return must(ctx, db.meta, dxf.ErrNotOwner, resignSQL, t.OwnerID, t.UUID, t.Number)
}

// Owner returns the present owner, or the zero Term.
func (db *DB) Owner(ctx context.Context) (dxf.Term, error) {
	const ownerSQL = `SELECT host, uuid, term FROM owner WHERE id = 1 AND expires > NOW(6)`
	var t dxf.Term
	err := db.meta.QueryRowContext(ctx, ownerSQL).Scan(&t.OwnerID, &t.UUID, &t.Number)
	if errors.Is(err, sql.ErrNoRows) {
		return dxf.Term{}, nil
	}
	return t, err
}

// fenceOwner makes sure that the term is not over and cannot end before the
// transaction does: a successor's Campaign waits for the shared lock.
func fenceOwner(ctx context.Context, tx *sqlx.Tx, t dxf.Term) error {
	const fenceSQL = `SELECT 1 FROM owner WHERE id = 1 AND host = ? AND uuid = ? AND term = ? LOCK IN SHARE MODE`
	var one int
	err := tx.GetContext(ctx, &one, fenceSQL, t.OwnerID, t.UUID, t.Number)
	if errors.Is(err, sql.ErrNoRows) {
		return dxf.ErrNotOwner
	}
	return err
}
