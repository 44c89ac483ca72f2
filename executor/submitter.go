package executor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"dxfproxy/dxf"
	"dxfproxy/grants"
	"dxfproxy/server"
)

// A job is its submitter's act, on the table that he named: before each step it
// is asked whether he may still do it, and before the first whether it is still
// that table.

// StillMay ends a job whose submitter (user@host; "" is not looked at) has lost
// one of the privileges on its table.
func (p Planner) StillMay(ctx context.Context, user, schema, name string, privileges ...string) error {
	if user == "" {
		return nil
	}
	set, err := grants.Of(ctx, p.DB, user)
	if errors.Is(err, grants.ErrUnreadable) {
		p.Log.Warn("whether a job's user still has the right to it cannot be asked: the account of --store needs SELECT on mysql.*", zap.Error(err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask whether %s still may: %w", user, err)
	}
	for _, privilege := range privileges {
		if privilege == grants.File {
			if !set.Has(grants.Everywhere, privilege) {
				return &dxf.Error{Code: server.ErrSpecificAccessDenied, State: "42000", Message: "Access denied; you need (at least one of) the FILE privilege(s) for this operation"}
			}
			continue
		}
		if !set.May(schema, name, privilege) {
			at := strings.LastIndexByte(user, '@')
			return &dxf.Error{Code: server.ErrTableAccessDenied, State: "42000", Message: fmt.Sprintf(
				"%s command denied to user '%s'@'%s' for table '%s'", privilege, user[:at], user[at+1:], name)}
		}
	}
	return nil
}
