// Package worker is the process that speaks SSH on one connection. It has no rights, no files and a
// bound on its memory; what takes a right it asks of the gateway. It outlives the agent: when the
// agent dies it waits for the next one, and the sessions it carries go on meanwhile.
package worker
