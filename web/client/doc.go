// Package client is the Go client of Lodge's API: what the lodge command is made of.
//
// It needs no cgo and builds for every system people type on. Dial connects to nothing yet; the
// first call does. Errors come back with the kind they had in the agent, so errors.Is(err,
// inventory.ErrNotFound) works, and with the agent's own sentence, ready to be shown. An agent
// that isn't there is inventory.ErrUnavailable and says how to start one.
//
// A mutation returns an Answer: the operation it became, the plan if only that was asked for, or
// the change that now waits for others. Follow and Wait tell how an operation ends.
package client
