package changefeed

import (
	"context"
	"fmt"
	"time"

	"github.com/go-mysql-org/go-mysql/replication"

	"dxfproxy/dxf"
	"dxfproxy/grants"
	"dxfproxy/server"
)

// A statement in the binlog says what it was told to change, not what it did: a view
// stands for other tables, a trigger or a stored function may write to any. It has
// left our table alone for sure when all that it names are tables without triggers and
// it calls nothing. What a name means is asked of the store, which has gone on since:
// until the feed has read as far as the binlog went when the store was asked, the
// statement is in doubt, as if it were an undecided XA transaction, and a change of what
// it names ends the feed.
type reach struct {
	// ask says whether a name is a table that nothing hangs on, and where the binlog
	// ended afterwards.
	ask func(tableName) (plain bool, end position, err error)

	plain map[tableName]position // what was asked, and held until now
	doubt struct {
		over  position // where it ends; "" when there is none
		since position // in front of the oldest statement in doubt
		names map[tableName]bool
	}
}

// attribute says whether a statement that stands behind start has left our table alone.
func (r *reach) attribute(tables []tableName, start position) (bool, error) {
	for _, t := range tables {
		end, known := r.plain[t]
		if !known {
			plain, now, err := r.ask(t)
			if err != nil || !plain {
				return false, err
			}
			if r.plain == nil {
				r.plain = map[tableName]position{}
			}
			r.plain[t], end = now, now
		}
		if !start.Before(end.Position) {
			continue
		}
		d := &r.doubt
		if d.over.File == "" {
			d.since, d.over, d.names = start, end, map[tableName]bool{}
		}
		if d.names[t] = true; d.over.Before(end.Position) {
			d.over = end
		}
	}
	return true, nil
}

// redefined takes note of DDL, and says whether it may be about what a statement in
// doubt has named: then nobody knows what that meant.
func (r *reach) redefined(schema string, words []word, n names) bool {
	r.plain = nil
	for _, w := range words[:min(len(words), 12)] {
		if r.doubt.over.File != "" && w.is("VIEW", "TRIGGER", "DATABASE", "SCHEMA") {
			return true
		}
	}
	for t := range r.doubt.names {
		n.schema, n.table = t.schema, t.name
		if n.found(schema, words) {
			return true
		}
	}
	return false
}

// passed is told how far the feed has read, and says whether that has ended the doubt.
func (r *reach) passed(end position) bool {
	if r.doubt.over.File == "" || end.Before(r.doubt.over.Position) {
		return false
	}
	r.doubt.over, r.doubt.since, r.doubt.names = position{}, position{}, nil
	return true
}

// askLimit is how long the reading of the binlog waits for an answer before it begins
// again.
const askLimit = 5 * time.Second

const (
	selectKinds = `SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`
	// The privilege that shows triggers is looked at before.
	selectTriggers = `SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ?`
)

// askStore is a reach's ask. What the account cannot see is not plain.
func (a *applier) askStore(ctx context.Context, n names) func(tableName) (bool, position, error) {
	return func(t tableName) (bool, position, error) {
		ctx, cancel := context.WithTimeout(ctx, askLimit)
		defer cancel()
		plain, err := a.isPlain(ctx, t, n)
		if err != nil || !plain {
			return false, position{}, err
		}
		end, err := server.BinlogEnd(ctx, a.db)
		return true, position{Position: end}, err
	}
}

func (a *applier) isPlain(ctx context.Context, t tableName, n names) (bool, error) {
	held, err := grants.Load(ctx, a.db)
	if err != nil || !held.May(t.schema, t.name, "TRIGGER") {
		return false, err
	}
	rows, err := a.db.QueryContext(ctx, selectKinds, t.schema, t.name)
	if err != nil {
		return false, fmt.Errorf("ask what %s is: %w", t.name, err)
	}
	defer rows.Close()
	found := false
	for rows.Next() {
		var name, kind string
		if err := rows.Scan(&name, &kind); err != nil {
			return false, err
		}
		found = found || n.same(name, t.name) && kind != "VIEW" && kind != "SYSTEM VIEW"
	}
	if err := rows.Err(); err != nil || !found {
		return false, err
	}
	var triggers int
	if err := a.db.QueryRowContext(ctx, selectTriggers, t.schema, t.name).Scan(&triggers); err != nil {
		return false, fmt.Errorf("ask for the triggers of %s: %w", t.name, err)
	}
	return triggers == 0, nil
}

// statement meets one that has changed rows of tables that it names, none of them ours.
func (g *grouper) statement(e *replication.QueryEvent, n names) error {
	tables, ok := namedBy(e)
	for _, t := range tables {
		if t.schema == g.meta { // a node's own session
			return dxf.StatementsOnly(g.job)
		}
	}
	if ok {
		var err error
		if ok, err = g.reach.attribute(tables, g.last); err != nil {
			return err
		}
	}
	if !ok {
		return g.unattributed(verb(e.Query, n.spelled))
	}
	return nil
}

// unattributed ends a feed that cannot tell what a statement has changed.
func (g *grouper) unattributed(what string) error {
	return dxf.Errorf("the changefeed of job %d cannot tell whether table %s was changed: "+
		"a session with binlog_format other than ROW executed %s, which may have reached it by a view, a trigger or a function; "+
		"let all sessions write rows (those older than SET GLOBAL binlog_format = ROW keep their own) and run the statement again",
		g.job, g.layout.source.Quoted(), what)
}
