package sqlhandler

import (
	"context"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"dxfproxy/server"
	"dxfproxy/sysvars"
)

// variablesInfo makes TiDB's information_schema.VARIABLES_INFO, as a view in the
// meta schema, with the variables that are ours. A variable of one node shows
// its default: the view is the same for all nodes.
func variablesInfo(schema string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE OR REPLACE VIEW %[1]s.variables_info AS SELECT v.VARIABLE_NAME, v.VARIABLE_SCOPE, v.DEFAULT_VALUE, "+
		"CAST(COALESCE(g.variable_value, v.DEFAULT_VALUE) AS CHAR(64)) AS CURRENT_VALUE, "+
		"v.MIN_VALUE, v.MAX_VALUE, v.POSSIBLE_VALUES, v.IS_NOOP FROM (", server.Quote(schema))
	for i, v := range sysvars.All() {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		low, high, values := "NULL", "NULL", "NULL"
		switch v.Type {
		case sysvars.Unsigned, sysvars.Int, sysvars.Size:
			low, high = fmt.Sprint(v.Min), fmt.Sprint(v.Max)
		case sysvars.Enum:
			values = server.Text(strings.Join(v.Values, ","))
		}
		fmt.Fprintf(&b, "SELECT CAST(%s AS CHAR(64)) AS VARIABLE_NAME, CAST(%s AS CHAR(64)) AS VARIABLE_SCOPE, "+
			"CAST(%s AS CHAR(64)) AS DEFAULT_VALUE, "+
			"CAST(CAST(%s AS CHAR(20)) AS SIGNED) AS MIN_VALUE, CAST(CAST(%s AS CHAR(20)) AS UNSIGNED) AS MAX_VALUE, "+
			"CAST(%s AS CHAR(256)) AS POSSIBLE_VALUES, CAST('NO' AS CHAR(64)) AS IS_NOOP",
			server.Text(v.Name), server.Text(v.Scope.String()), server.Text(v.Default), low, high, values)
	}
	// The URI of the cloud storage has secrets in it.
	fmt.Fprintf(&b, ") v LEFT JOIN %s.global_variables g ON g.variable_name = v.VARIABLE_NAME AND v.VARIABLE_NAME <> %s",
		server.Quote(schema), server.Text(sysvars.CloudStorageURI))
	return b.String()
}

func (h *Handler) makeVariablesInfo(ctx context.Context) {
	if _, err := h.meta.ExecContext(ctx, variablesInfo(h.schema)); err != nil && ctx.Err() == nil {
		h.log.Warn("information_schema.VARIABLES_INFO could not be made", zap.Error(err))
	}
}
