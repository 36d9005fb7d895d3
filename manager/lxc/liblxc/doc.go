// Package liblxc is what lodge-lxc does with liblxc. It is the only importer of go-lxc and is
// linked into cmd/lodge-lxc alone, so that every other program of Lodge builds without cgo.
//
// Each function serves one process that does one operation and ends: no handle of liblxc is ever
// shared, and what liblxc leaks ends with the process.
package liblxc
