// Package memstore keeps the framework's rows in memory, behind the methods of
// package store and with their fences, leases and refusals. It is for tests of
// the packages above: its clock is a function, which testing/synctest makes
// virtual, and every method is atomic under one lock.
package memstore
