package store

import "context"

// GlobalVars returns the global values that were set.
func (db *DB) GlobalVars(ctx context.Context) (map[string]string, error) {
	const varsSQL = `SELECT variable_name, COALESCE(variable_value, '') FROM global_variables`
	rows, err := db.meta.QueryContext(ctx, varsSQL)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	vars := make(map[string]string)
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		vars[name] = value
	}
	return vars, rows.Err()
}

// SetGlobalVar stores a global value.
func (db *DB) SetGlobalVar(ctx context.Context, name, value string) error {
	const setSQL = `
		INSERT INTO global_variables (variable_name, variable_value) VALUES (?, ?)
		ON DUPLICATE KEY UPDATE variable_value = VALUES(variable_value)`
	_, err := change(ctx, db.meta, setSQL, name, value)
	return err
}
