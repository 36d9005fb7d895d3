// Command lodge-hook tells the agent that a container starts or has stopped: liblxc runs it then, and
// goes on when it has ended. So it is a program of its own that needs no library: loading liblxc and
// what that needs takes longer than all it does, and held up every start and stop.
package main

// #cgo LDFLAGS: -static
import "C"

// main is never reached: hook.c ends the process before.
func main() {}
