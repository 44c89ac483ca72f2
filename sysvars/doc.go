// Package sysvars knows the TiDB system variables this product honours: their
// names, scopes, types, defaults and limits, which values a SET may give them,
// and how a value is printed. It does no I/O and keeps no values: the caller
// stores what Check returns and asks Select and Show how to print it.
//
// Names, limits and error texts are those of TiDB v8.5 (system variable
// reference of its manual, and the answers of a real server, kept in testdata).
// Those with the prefix dxf_ are ours.
package sysvars
