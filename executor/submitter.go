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

// StillMay refuses to go on with a job whose submitter has lost one of these privileges on its
// table. Planners ask before each step. user is user@host as in CURRENT_USER(); "" is not
// looked at.
func (p Planner) StillMay(ctx context.Context, user, schema, name string, privileges ...string) error {
	if user == "" {
		return nil
	}
	set, err := grants.Of(ctx, p.DB, user)
	if errors.Is(err, grants.ErrUnreadable) {
		p.Log.Warn("whether a job's user still has the right to it cannot be asked: the account of --store needs SELECT on mysql.*",
			zap.Error(err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask whether %s still may: %w", user, err)
	}
	for _, privilege := range privileges {
		if privilege == grants.File {
			if !set.Has(grants.Everywhere, privilege) {
				return &dxf.Error{Code: server.ErrSpecificAccessDenied, State: "42000",
					Message: "Access denied; you need (at least one of) the FILE privilege(s) for this operation"}
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
