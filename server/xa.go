package server

import (
	"context"
	"database/sql"
	"fmt"
)

// Prepared lists the prepared XA transactions.
func Prepared(ctx context.Context, q Querier) (all []string, err error) {
	err = Each(ctx, q, func(r *sql.Rows) error {
		var format, gtrid, bqual, data string
		err := r.Scan(&format, &gtrid, &bqual, &data)
		all = append(all, format+" "+gtrid+" "+data)
		return err
	}, "XA RECOVER")
	if err != nil {
		return nil, fmt.Errorf("look for prepared transactions: %w", err)
	}
	return all, nil
}
