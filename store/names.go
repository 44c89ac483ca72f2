package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"dxfproxy/dxf"
)

// nameLimit is how long TakeName waits for the lease of a node that may be dead; nameEvery
// is how often it looks.
const (
	nameLimit = dxf.NodeLease + 5*time.Second
	nameEvery = 500 * time.Millisecond
)

// TakeName registers the node, unless another live one has its name: two of one name
// would lease each other's subtasks for ever. Then it is ErrNameTaken. The name of a process
// that has ended is free as soon as the store has noticed (see life); one whose machine is gone, or
// stands still, is waited for until its lease is over.
func (db *DB) TakeName(ctx context.Context, n dxf.Node) error {
	tick := time.NewTicker(nameEvery)
	defer tick.Stop()
	deadline := time.Now().Add(nameLimit)
	var first time.Time
	for {
		until, err := db.tryName(ctx, n)
		switch {
		case err != nil:
			return fmt.Errorf("register node %s: %w", n.ID, err)
		case until.IsZero():
			return nil
		case first.IsZero():
			first = until
		case !until.Equal(first) || time.Now().After(deadline): // it has renewed it
			return fmt.Errorf("register node %s: %w", n.ID, ErrNameTaken)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// tryName registers the node; until is the end of the lease of another one that has
// the name and may be alive.
func (db *DB) tryName(ctx context.Context, n dxf.Node) (until time.Time, err error) {
	const lookSQL = `SELECT uuid, expires FROM dist_framework_meta WHERE host = ? AND uuid <> ? AND expires > NOW(6) FOR UPDATE`
	const freeSQL = `SELECT IS_FREE_LOCK(?)`
	err = db.tx(ctx, func(tx *sqlx.Tx) error {
		var other struct {
			UUID    string    `db:"uuid"`
			Expires time.Time `db:"expires"`
		}
		until = time.Time{}
		err := tx.GetContext(ctx, &other, lookSQL, n.ID, n.UUID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if err == nil {
			var free bool
			if err := tx.GetContext(ctx, &free, freeSQL, db.lifeLock(other.UUID)); err != nil {
				return err
			}
			still := db.sights.over("name "+n.ID, other.UUID+other.Expires.String(), dxf.NodeLease)
			if !free && !still {
				until = other.Expires
				return nil
			}
		}
		if err := db.life.prove(ctx, db.lifeLock(n.UUID)); err != nil { // before anybody can see the row
			return err
		}
		return db.register(ctx, tx, n)
	})
	return until, err
}
