//go:build unix && !linux

package mariadbd

// memoryLimit is unknown here, and the smallest buffer pool is chosen.
func memoryLimit() int64 { return 0 }
