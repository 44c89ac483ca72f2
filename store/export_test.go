package store

// LifeLock is the name of the lock of a life.
func (db *DB) LifeLock(uuid string) string { return db.lifeLock(uuid) }
