//go:build !crashtest

package main

// boundary is nil: nothing happens at step boundaries but in crash tests.
var boundary func(verb, step, edge string)
