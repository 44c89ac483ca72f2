//go:build !linux

package main

// parentDeath: there is no parent-death signal here.
const parentDeath = 0

func keepParentDeath(int) error { return nil }
